package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"roomreel"
)

// checkFiles checks every file that the manifest names, fills in the sizes and returns what is wrong.
//
// os.Root resolves every step of a path inside the folder, so a link out of the folder is refused, also one that is created
// during the check. Stat comes before Open, because opening a named pipe can block for ever.
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

// sameBut reports whether two recordings differ in nothing but the path of their file. One file may be several recordings,
// of several participants or at several times. The same recording twice is a mistake.
func (r Recording) sameBut(other Recording) bool {
	return r.Kind == other.Kind && r.Participant == other.Participant && r.TrackName == other.TrackName && r.Offset == other.Offset &&
		max(r.Track, 1) == max(other.Track, 1)
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
	}
	file, err := r.folder.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, invalid(name, err, "cannot be read")
	}
	file.Close()
	return info, nil
}
