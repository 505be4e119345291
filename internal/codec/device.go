package codec

// #include "codec.h"
// #include <libavutil/hwcontext.h>
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

// deviceTypes are libavutil's names of the devices, by ours.
var deviceTypes = map[string]string{"vaapi": "vaapi", "nvenc": "cuda"}

// OpenDevice opens hardware that encodes, by its kind (vaapi, nvenc) and its file, and so loads its driver. Encoding with it is not
// built yet: the error of a device that can be opened says so.
func OpenDevice(kind, path string) error {
	quiet()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("device %s: %w", kind, err)
	}
	file.Close()
	name := C.CString(deviceTypes[kind])
	defer C.free(unsafe.Pointer(name))
	t := C.av_hwdevice_find_type_by_name(name)
	if t == C.AV_HWDEVICE_TYPE_NONE {
		return fmt.Errorf("device %q: %w", kind, ErrUnsupported)
	}
	where := (*C.char)(nil) // CUDA takes a number, and has its first device without one
	if kind == "vaapi" {
		where = C.CString(path)
		defer C.free(unsafe.Pointer(where))
	}
	var device *C.AVBufferRef
	if err := C.av_hwdevice_ctx_create(&device, t, where, nil, 0); err < 0 {
		return failure("open device "+kind+" at "+path, err)
	}
	C.av_buffer_unref(&device)
	return fmt.Errorf("device %s at %s can be opened, but this program does not encode with it yet: %w", kind, path, ErrUnsupported)
}
