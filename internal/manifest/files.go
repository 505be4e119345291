package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"roomreel"
)

// checkFiles looks at every file the manifest names, fills in the sizes and says what is wrong with them.
//
// os.Root resolves every step of a path inside the folder, so a link out of it is refused, also one that is swapped in
// while we look. A file is asked about before it is opened: opening a named pipe would wait for ever.
func (r *Room) checkFiles() []*roomreel.Error {
	var mistakes []*roomreel.Error
	infos := make([]os.FileInfo, len(r.Recordings))
	for i := range r.Recordings {
		recording := &r.Recordings[i]
		if recording.File == "" {
			continue
		}
		info, mistake := r.checkFile(recording.File)
		if mistake != nil {
			mistakes = append(mistakes, mistake)
			continue
		}
		infos[i] = info
		for earlier, other := range r.Recordings[:i] {
			if infos[earlier] != nil && os.SameFile(infos[earlier], info) && recording.sameBut(other) {
				mistakes = append(mistakes, invalid(recording.File, nil, "is recordings[%d] once more", earlier))
				break
			}
		}
		recording.Size = info.Size()
	}
	return mistakes
}

// sameBut reports whether two recordings say the same but for the path of their file. One file may stand for several
// recordings, of several people or at several times; the same one twice is a slip.
func (r Recording) sameBut(other Recording) bool {
	return r.Kind == other.Kind && r.Participant == other.Participant && r.TrackName == other.TrackName && r.Offset == other.Offset
}

func (r *Room) checkFile(name string) (os.FileInfo, *roomreel.Error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, invalid(name, nil, "points outside the manifest's folder")
	}
	info, err := r.folder.Stat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, invalid(name, nil, "no such file in the manifest's folder")
	case errors.Is(err, fs.ErrPermission):
		return nil, invalid(name, err, "may not be read")
	case err != nil:
		return nil, invalid(name, err, "cannot be reached inside the manifest's folder; does a link point outside of it?")
	case info.IsDir():
		return nil, invalid(name, nil, "is a folder, not a recording")
	case !info.Mode().IsRegular():
		return nil, invalid(name, nil, "is not a regular file")
	case info.Size() == 0:
		return nil, invalid(name, nil, "is empty")
	}
	file, err := r.folder.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, invalid(name, err, "cannot be read")
	}
	file.Close()
	return info, nil
}
