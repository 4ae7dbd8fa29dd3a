package hotplate

import "testing"

func TestNobodyWaitsInACircle(t *testing.T) {
	w := waits{}
	if w.enter(1, 1) {
		t.Error("one waits for itself")
	}
	if !w.enter(1, 2) || !w.enter(2, 3) || !w.enter(1, 3) || w.enter(3, 1) {
		t.Error("a circle of three")
	}
	w.leave(2, 3)
	if w.enter(3, 1) {
		t.Error("it is still one, over one")
	}
	w.leave(1, 3)
	if !w.enter(3, 1) {
		t.Error("there is none any more")
	}
	w.leave(3, 1)
	w.leave(1, 2)
	if len(w) != 0 {
		t.Error(w)
	}
}

func TestALongMessageIsShortenedBetweenCharacters(t *testing.T) {
	if shortened("short") != "short" {
		t.Error("a short one is changed")
	}
	long := make([]byte, failureBytesMax-1, failureBytesMax+1)
	if got := shortened(string(append(long, "é"...))); len(got) != failureBytesMax-1 {
		t.Error(len(got))
	}
}
