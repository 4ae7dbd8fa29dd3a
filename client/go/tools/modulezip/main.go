// Command modulezip lays out this module as a Go module proxy serves it, so that it can be installed where nothing of the
// repository is: modulezip MODULE VERSION OUT.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: modulezip MODULE VERSION OUT")
		os.Exit(2)
	}
	if err := run(module.Version{Path: os.Args[1], Version: os.Args[2]}, os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(m module.Version, out string) error {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	folder := filepath.Join(out, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	info := fmt.Sprintf(`{"Version":%q,"Time":%q}`, m.Version, time.Now().UTC().Format(time.RFC3339))
	files := map[string][]byte{
		"list": []byte(m.Version + "\n"), m.Version + ".info": []byte(info), m.Version + ".mod": mod,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, m.Version+".zip"))
	if err != nil {
		return err
	}
	return errors.Join(zip.CreateFromDir(file, m, "."), file.Close())
}
