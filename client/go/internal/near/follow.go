package near

// Which single keys the stream follows, for near caches that do not follow whole namespaces. The calls are made elsewhere.

import "slices"

// looksMax followed keys are looked at to find one that can be given up.
const looksMax = 32

type sinceState uint8

const (
	// wantedNew: the server was not told yet.
	wantedNew sinceState = iota
	// wantedBefore: nor was it, but it may follow it from before.
	wantedBefore
	// askedFor: the server was told and has not answered.
	askedFor
	// from: from numbers on, every change of it is told.
	from
)

type since struct {
	state   sinceState
	numbers *[logs]uint64
}

// follow is keys and since when they are followed.
type follow struct {
	keys map[string]since
	// turns is all of keys, in the order in which they are asked whether they can be given up; also some that were.
	turns    []string
	wanted   []string
	unwanted map[string]struct{}
	keysMax  int
	// watch is the open stream's name; empty without one.
	watch string
}

// Update is what the server is to be told.
type Update struct {
	// Watch is the stream that it is about.
	Watch string
	// Add and Remove are keys.
	Add, Remove []string
}

func newFollow(keysMax int) *follow {
	return &follow{keys: map[string]since{}, unwanted: map[string]struct{}{}, keysMax: keysMax}
}

// all is what a stream that is opened now has to follow.
func (f *follow) all() []string {
	keys := make([]string, 0, len(f.keys))
	for key := range f.keys {
		keys = append(keys, key)
	}
	return keys
}

// opened: a stream was opened with all of keys.
func (f *follow) opened(watch string, at *Place) {
	f.watch = watch
	numbers := at.numbers
	for key, s := range f.keys {
		// Those that were followed before are told from where the last stream ended.
		if s.state != from {
			f.keys[key] = since{from, &numbers}
		}
	}
	f.wanted = nil
	clear(f.unwanted)
}

// lost: the stream is gone.
func (f *follow) lost() { f.watch = "" }

// covers tells whether every change of this key after such an answer is told.
func (f *follow) covers(key string, stamp Stamp) bool {
	s, known := f.keys[key]
	return known && s.state == from && stamp.key >= s.numbers[stamp.log]
}

// want follows a key. When there are too many, one goes that kept does not name; false when all are needed.
func (f *follow) want(key string, kept func(string) bool) bool {
	if _, known := f.keys[key]; known {
		return true
	}
	for range looksMax {
		if len(f.keys) < f.keysMax {
			break
		}
		if len(f.turns) == 0 {
			return false
		}
		other := f.turns[0]
		f.turns = f.turns[1:]
		if _, known := f.keys[other]; known && kept(other) {
			f.turns = append(f.turns, other)
		} else {
			f.unwant(other)
		}
	}
	if len(f.keys) >= f.keysMax {
		return false
	}
	state := wantedNew
	if _, before := f.unwanted[key]; before {
		state = wantedBefore
		delete(f.unwanted, key)
	}
	if len(f.turns) >= 2*f.keysMax {
		f.turns = f.all()
	}
	f.turns = append(f.turns, key)
	f.wanted = append(f.wanted, key)
	f.keys[key] = since{state: state}
	return true
}

// unwant: a key is no longer needed.
func (f *follow) unwant(key string) {
	s, known := f.keys[key]
	if !known {
		return
	}
	delete(f.keys, key)
	if s.state == wantedNew || s.state == wantedBefore {
		f.wanted = slices.DeleteFunc(f.wanted, func(other string) bool { return other == key })
	}
	// Of what the server never heard there is nothing to tell: otherwise reads would fill this faster than calls empty it.
	if s.state != wantedNew {
		f.unwanted[key] = struct{}{}
	}
}

// update is the next one, of at most so many keys either way; nil when there is nothing to tell, or nobody.
func (f *follow) update(keysMax int) *Update {
	if f.watch == "" || (len(f.wanted) == 0 && len(f.unwanted) == 0) {
		return nil
	}
	u := &Update{Watch: f.watch}
	count := min(keysMax, len(f.wanted))
	u.Add = slices.Clone(f.wanted[:count])
	f.wanted = slices.Delete(f.wanted, 0, count)
	for _, key := range u.Add {
		f.keys[key] = since{state: askedFor}
	}
	for key := range f.unwanted {
		if len(u.Remove) == keysMax {
			break
		}
		u.Remove = append(u.Remove, key)
		delete(f.unwanted, key)
	}
	return u
}

// updated: the server follows what was added, from these numbers on.
func (f *follow) updated(u *Update, numbers [logs]uint64) {
	// What another stream was told is no news; that one was opened with these keys.
	if u.Watch != f.watch {
		return
	}
	for _, key := range u.Add {
		if s, known := f.keys[key]; known && s.state == askedFor {
			f.keys[key] = since{from, &numbers}
		}
	}
}

// refused: the server does not follow what was to be added, and may follow what was to be removed. With full, no more than
// are followed now ever will be.
func (f *follow) refused(u *Update, full bool) {
	if u.Watch == f.watch {
		for _, key := range u.Remove {
			switch s, known := f.keys[key]; {
			case !known:
				f.unwanted[key] = struct{}{}
			case s.state == wantedNew:
				f.keys[key] = since{state: wantedBefore}
			}
		}
		for _, key := range u.Add {
			if s, known := f.keys[key]; known && s.state == askedFor {
				delete(f.keys, key)
			}
		}
	}
	if full {
		f.keysMax = max(len(f.keys), 1)
	}
}
