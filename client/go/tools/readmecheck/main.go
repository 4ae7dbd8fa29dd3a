// Command readmecheck compares the code in README.md with the samples that it is taken from: a fenced block after a line
// <!-- FILE#REGION --> must be the lines of that file between "#region REGION" and "#endregion REGION". With -write it puts
// them there.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
)

func main() {
	write := flag.Bool("write", false, "change the README instead of complaining")
	flag.Parse()
	if err := run("README.md", *write); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string, write bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	block := regexp.MustCompile("(?s)(<!-- (\\S+)#(\\S+) -->\n```go\n)(.*?)(```\n)")
	var failed error
	blocks := 0
	fresh := block.ReplaceAllStringFunc(string(content), func(found string) string {
		parts := block.FindStringSubmatch(found)
		region, err := regionOf(parts[2], parts[3])
		if err != nil {
			failed = err
			return found
		}
		blocks++
		return parts[1] + region + parts[5]
	})
	switch {
	case failed != nil:
		return failed
	case blocks == 0:
		return fmt.Errorf("%s shows no sample", path)
	case write:
		return os.WriteFile(path, []byte(fresh), 0o644)
	case fresh != string(content):
		return fmt.Errorf("%s shows other code than the samples have: run `go run ./tools/readmecheck -write`", path)
	}
	return nil
}

// regionOf is a region of a file, moved to the left.
func regionOf(path, name string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var lines []string
	inside := false
	for line := range strings.Lines(string(content)) {
		switch strings.TrimSpace(line) {
		case "// #region " + name:
			inside = true
		case "// #endregion " + name:
			return strings.Join(lines, ""), nil
		default:
			if inside {
				lines = append(lines, line)
				lines = moved(lines)
			}
		}
	}
	return "", fmt.Errorf("%s has no region %s", path, name)
}

// moved takes the indentation of the first line away from the last.
func moved(lines []string) []string {
	last := len(lines) - 1
	if last == 0 {
		lines[0] = strings.TrimLeft(lines[0], "\t")
		return lines
	}
	lines[last] = strings.TrimPrefix(lines[last], "\t")
	return lines
}
