package near

// The near-cache rule: which answers may be kept, and when what is kept may be served. It knows positions and sets, no
// values, no clock and no network; docs/model.md tells where it was checked in every order.

import "time"

const (
	// logs of a server: 0 to 63 hold changes of keys, the last one changes of sets.
	logs   = 65
	setLog = logs - 1
)

// Place is a number for each log, of one epoch.
type Place struct {
	epoch   uint64
	numbers [logs]uint64
}

// Stamp is how current an answer is: where the log of its key and the log of sets were when it was found valid.
type Stamp struct {
	epoch    uint64
	log      int
	key, set uint64
}

// change is one change that the stream told.
type change struct {
	epoch  uint64
	log    int
	number uint64
	what   Set
}

// ticket is what this client had written when a question was asked.
type ticket uint64

// Why is why an answer is not kept; empty for one that is.
type Why string

// Why an answer is not kept, by the names of tests/conformance/near.json.
const (
	// NotSynced means that the stream is away or has not caught up.
	NotSynced Why = "NOT_SYNCED"
	// OtherHistory means that it comes from another history than the stream.
	OtherHistory Why = "OTHER_HISTORY"
	// Overtaken means that something that covers it changed later.
	Overtaken Why = "OVERTAKEN"
	// OwnWrite means that this client wrote something that covers it since it asked.
	OwnWrite Why = "OWN_WRITE"
	// NotFollowed means that its key is not followed, or not yet.
	NotFollowed Why = "NOT_FOLLOWED"
	// Dependent means that it was made from others.
	Dependent Why = "DEPENDENT"
	// TooLarge means that it does not fit.
	TooLarge Why = "TOO_LARGE"
)

type lineState uint8

const (
	lineLost lineState = iota
	catchingUp
	synced
)

type ownWrite struct {
	at   ticket
	what Set
}

// rule is what a near cache knows of one namespace's changes.
type rule struct {
	progressMax time.Duration
	// fencesMax bounds what is remembered of the stream, and of what this client wrote.
	fencesMax int
	line      lineState
	heardAt   time.Duration
	place     Place
	// fences are changes that were told, for answers that left before them; the oldest give way to floors.
	fences []change
	// An answer that is not as current as floors may have been overtaken by what was forgotten.
	floors   [logs]uint64
	own      []ownWrite
	ownNow   ticket
	ownFloor ticket
}

// created: the stream exists. One that continues after a token serves only when it has caught up. The answer tells whether
// what is kept may stay: otherwise nothing is known of what came before.
func (r *rule) created(at *Place, continued bool, now time.Duration) (keep bool) {
	r.heardAt = now
	if continued && at.epoch == r.place.epoch {
		r.line = catchingUp
		return true
	}
	r.startOver(at)
	return false
}

// hear: a message came. After a silence that is longer than allowed, what waited in between is too old: a program or machine
// that was paused would otherwise take it for news.
func (r *rule) hear(now time.Duration) bool {
	if r.line == lineLost || now-r.heardAt >= r.progressMax {
		r.lost()
		return false
	}
	r.heardAt = now
	return true
}

// progress: everything up to here was told.
func (r *rule) progress(at *Place) bool {
	if !r.sameHistory(at.epoch) {
		return false
	}
	for log, told := range at.numbers {
		r.place.numbers[log] = max(r.place.numbers[log], told)
	}
	r.line = synced
	return true
}

// changed remembers a change. Call it after what it covers was dropped.
func (r *rule) changed(c change) bool {
	if !r.sameHistory(c.epoch) {
		return false
	}
	r.place.numbers[c.log] = max(r.place.numbers[c.log], c.number)
	r.fences = append(r.fences, c)
	if len(r.fences) > r.fencesMax {
		oldest := r.fences[0]
		r.fences = dropFirst(r.fences)
		r.floors[oldest.log] = max(r.floors[oldest.log], oldest.number)
	}
	return true
}

// dropFirst drops the first of a list that is only added to at its end; append gives its room back in time.
func dropFirst[V any](list []V) []V {
	var none V
	list[0] = none
	return list[1:]
}

// discontinued: changes up to here were lost; from here on the stream is complete.
func (r *rule) discontinued(at *Place) { r.startOver(at) }

// lost: the stream is gone.
func (r *rule) lost() { r.line = lineLost }

// ticket is what this client has written so far: take it before asking.
func (r *rule) ticket() ticket { return r.ownNow }

// wrote: this client writes, or has written, what these cover. Call it before the call and again when it has ended.
func (r *rule) wrote(sets []Set) {
	r.ownNow++
	for _, set := range sets {
		r.own = append(r.own, ownWrite{r.ownNow, set})
	}
	for len(r.own) > r.fencesMax {
		r.ownFloor = max(r.ownFloor, r.own[0].at)
		r.own = dropFirst(r.own)
	}
}

// admit tells whether an answer may be kept.
func (r *rule) admit(key string, facts *Facts, stamp Stamp, asked ticket) Why {
	switch {
	case r.line != synced:
		return NotSynced
	case stamp.epoch != r.place.epoch || stamp.log >= setLog:
		return OtherHistory
	case asked < r.ownFloor:
		return OwnWrite
	}
	for _, own := range r.own {
		if own.at > asked && own.what.Selects(key, facts) {
			return OwnWrite
		}
	}
	if stamp.key < r.floors[stamp.log] || stamp.set < r.floors[setLog] {
		return Overtaken
	}
	if stamp.key >= r.place.numbers[stamp.log] && stamp.set >= r.place.numbers[setLog] {
		return ""
	}
	for i := range r.fences {
		if overtakes(&r.fences[i], stamp) && r.fences[i].what.Selects(key, facts) {
			return Overtaken
		}
	}
	return ""
}

// servesUntil is until when what is kept may be served, if nothing else is heard; zero: not at all.
func (r *rule) servesUntil() time.Duration {
	if r.line != synced {
		return 0
	}
	return r.heardAt + r.progressMax
}

func (r *rule) sameHistory(epoch uint64) bool {
	if epoch == r.place.epoch {
		return true
	}
	r.lost()
	return false
}

func (r *rule) startOver(at *Place) {
	r.place = *at
	r.floors = at.numbers
	r.fences = nil
	r.line = synced
}

// overtakes tells whether something with this stamp does not reflect a change.
func overtakes(c *change, stamp Stamp) bool {
	if c.log == setLog {
		return c.number > stamp.set
	}
	return c.log == stamp.log && c.number > stamp.key
}
