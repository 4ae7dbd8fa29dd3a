package hotplatetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"example.invalid/hotplate/client/go/hotplatetest"
)

// leaves is the variable that makes this program one whose tests end without their cleanups, and names the file for its server's id.
const leaves = "TEST_LEAVES_ITS_SERVER"

func TestAServerEndsWithTestsThatEndWithoutTheirCleanups(t *testing.T) {
	if file := os.Getenv(leaves); file != "" {
		server := hotplatetest.New(t)
		if err := os.WriteFile(file, []byte(strconv.Itoa(server.ProcessID())), 0o600); err != nil {
			t.Error(err)
		}
		os.Exit(3)
	}
	file := filepath.Join(t.TempDir(), "id")
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), leaves+"="+file)
	if said, err := child.CombinedOutput(); child.ProcessState == nil || child.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v: %s", err, said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for ends := time.Now().Add(60 * time.Second); isRunning(id); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(ends) {
			t.Fatalf("the server is left behind: %d", id)
		}
	}
}

// isRunning tells whether a process is there, and not only waits for someone to ask how it ended.
func isRunning(id int) bool {
	if syscall.Kill(id, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(id), "stat"))
	return err == nil && !isDead(string(stat))
}

func isDead(stat string) bool {
	for i := len(stat) - 1; i > 2; i-- {
		if stat[i-2] == ')' {
			return stat[i] == 'Z' || stat[i] == 'X'
		}
	}
	return false
}
