// Package near is a near cache without its network: the rule, what it keeps, and who may look. The client feeds it, reads
// clocks and makes calls.
package near

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "example.invalid/hotplate/client/go/hotplatepb"
)

// Core is what one namespace keeps in this process. Reads look at a map and at one number; everything that changes what may
// be read happens under one lock. Times are of a clock that only goes forward, and never zero.
type Core struct {
	options Options
	shelf   *shelf
	// servesUntil is until when may be served, in nanoseconds; zero: not now.
	servesUntil atomic.Int64
	// trust: entries of another number are not served, they wait to be confirmed.
	trust        atomic.Uint64
	hits, misses atomic.Uint64

	mu     sync.Mutex
	rule   rule
	follow *follow
	// suspects are keys of entries that wait to be confirmed.
	suspects []string
	// hearsOwn tells whether the stream tells what this client does itself.
	hearsOwn bool
	// outdated tells whether the open stream does not do what it should by now.
	outdated bool
	stats    Stats
}

// Asked is a question on its way to the server.
type Asked struct {
	ticket ticket
	at     time.Duration
}

// Opening is what to open a stream with.
type Opening struct {
	// HearsOwn tells whether the stream has to tell what this client does itself.
	HearsOwn bool
	// Keys to follow, where single keys are followed.
	Keys []string
}

// Confirmation is what an answer about lifetimes says of an entry that waits to be confirmed.
type Confirmation struct {
	Stamp               Stamp
	FreshFor, UsableFor time.Duration
}

// New is one that keeps nothing yet. fencesMax is [FencesMax], except in tests.
func New(options Options, fencesMax int) *Core {
	c := &Core{
		options: options,
		shelf:   newShelf(options.BytesMax, options.EntriesMax),
		rule:    rule{progressMax: options.ProgressMax, fencesMax: fencesMax},
		stats:   Stats{Refused: map[Why]uint64{}},
	}
	if options.KeptKeys {
		c.follow = newFollow(options.EntriesMax)
	}
	return c
}

// Options are how it was set up.
func (c *Core) Options() Options { return c.options }

// Hit is what is kept of this key and may be served now, not older than maxAge; nil without.
func (c *Core) Hit(key string, maxAge *time.Duration, now time.Duration) *Kept {
	if int64(now) < c.servesUntil.Load() {
		kept := c.shelf.get(key)
		usable := kept != nil && kept.trust == c.trust.Load() && now < kept.until
		if usable && (maxAge == nil || kept.At(now).Age <= *maxAge) {
			c.hits.Add(1)
			return kept
		}
	}
	c.misses.Add(1)
	return nil
}

// Ask notes that the server is asked now.
func (c *Core) Ask(now time.Duration) Asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Asked{c.rule.ticket(), now}
}

// Offer keeps an answer if it may be kept, else it says why not; empty also for what is never kept. tell: the server has to
// be told something.
func (c *Core) Offer(asked Asked, key string, response *pb.GetResponse) (why Why, tell bool) {
	// What cannot fit, as it came and as it is read, is not copied first.
	if int64(len(response.GetEntry().GetValue())) > c.options.BytesMax/2 {
		c.refuseAsTooLarge(key)
		return TooLarge, false
	}
	content, lives := contentOf(key, response)
	stamp, known := StampOf(response.GetAsOf())
	if content == nil || !known {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	why, tell = c.keep(asked, content, stamp, lives)
	if why != "" {
		c.stats.Refused[why]++
	}
	return why, tell
}

// refuseAsTooLarge is for an answer that cannot fit. Whoever has read it must not read an older one afterwards.
func (c *Core) refuseAsTooLarge(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Refused[TooLarge]++
	if c.shelf.remove(key) && c.follow != nil {
		c.follow.unwant(key)
	}
}

func (c *Core) keep(asked Asked, content *Content, stamp Stamp, lives Lives) (Why, bool) {
	if why := c.rule.admit(content.Key, &content.facts, stamp, asked.ticket); why != "" {
		return why, false
	}
	if len(content.facts.dependsOn) > 0 && !c.options.KeepDependents {
		return Dependent, false
	}
	if !c.follows(content.Key, stamp) {
		tell := c.follow != nil && c.follow.want(content.Key, func(key string) bool { return c.shelf.peek(key) != nil })
		return NotFollowed, tell
	}
	trust := c.trust.Load()
	// Answers may overtake each other: who has read the newer one must not read the older one afterwards.
	if kept := c.shelf.peek(content.Key); kept != nil && kept.trust == trust &&
		(kept.stamp.key > stamp.key || kept.stamp.set > stamp.set) {
		return Overtaken, false
	}
	kept := newKept(content, stamp, asked.at, lives)
	kept.trust = trust
	kept.until = min(kept.until, plus(asked.at, c.options.TTLMax))
	return c.insert(kept)
}

func (c *Core) insert(kept *Kept) (why Why, tell bool) {
	for _, gone := range c.shelf.insert(kept) {
		if gone == kept {
			why = TooLarge
			continue
		}
		c.stats.Evicted++
		if c.follow != nil {
			c.follow.unwant(gone.Key)
			tell = true
		}
	}
	if why == "" {
		c.stats.Admitted++
	}
	return why, tell
}

func (c *Core) follows(key string, stamp Stamp) bool {
	if c.follow != nil {
		return c.follow.covers(key, stamp)
	}
	for _, prefix := range c.options.Prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return len(c.options.Prefixes) == 0
}

// Wrote: this client is about to write what these cover, or has done so.
func (c *Core) Wrote(sets []Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteWrite(sets)
}

// MayHaveWritten: whether this client wrote what these cover is not known, it may happen at any time from now on. From here
// on the stream tells what this client does, too. The answer is whether it has to be opened again for that.
func (c *Core) MayHaveWritten(sets []Set) (reopen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteWrite(sets)
	if c.hearsOwn {
		return false
	}
	c.hearsOwn, c.outdated = true, true
	c.rule.lost()
	c.publish()
	return true
}

func (c *Core) noteWrite(sets []Set) {
	c.rule.wrote(sets)
	for i := range sets {
		c.dropCovered(&sets[i], func(*Kept) bool { return true })
	}
}

// Opening is what to open the next stream with.
func (c *Core) Opening() Opening {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated = false
	c.rule.lost()
	o := Opening{HearsOwn: c.hearsOwn}
	if c.follow != nil {
		c.follow.lost()
		o.Keys = c.follow.all()
	}
	c.publish()
	return o
}

// Lost: the stream is gone.
func (c *Core) Lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Losses++
	c.rule.lost()
	if c.follow != nil {
		c.follow.lost()
	}
	c.publish()
}

// Take takes in one message of the stream that was opened last. If it answers false, the stream must be opened again, after
// the last message that was taken in.
func (c *Core) Take(response *pb.WatchResponse, continued bool, now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outdated {
		return false
	}
	taken := c.take(response, continued, now)
	c.publish()
	return taken
}

func (c *Core) take(response *pb.WatchResponse, continued bool, now time.Duration) bool {
	switch m := response.GetMessage().(type) {
	case *pb.WatchResponse_Created:
		return c.created(m.Created, continued, now)
	case *pb.WatchResponse_Events:
		return c.rule.hear(now) && c.events(m.Events.GetEvents())
	case *pb.WatchResponse_Progress:
		if !c.rule.hear(now) {
			return false
		}
		at := placeOf(m.Progress.GetPosition())
		return at != nil && c.rule.progress(at)
	case *pb.WatchResponse_Discontinuity:
		return c.rule.hear(now) && c.discontinued(m.Discontinuity)
	}
	return true
}

func (c *Core) created(created *pb.WatchCreated, continued bool, now time.Duration) bool {
	at := placeOf(created.GetPosition())
	if at == nil {
		return false
	}
	if !c.rule.created(at, continued, now) {
		c.dropAll()
	}
	if c.follow != nil {
		c.follow.opened(created.GetWatchId(), at)
	}
	return true
}

func (c *Core) events(events []*pb.WatchEvent) bool {
	for _, event := range events {
		told, known := changeOf(event)
		if !known {
			return false
		}
		c.dropCovered(&told.what, func(kept *Kept) bool { return overtakes(&told, kept.stamp) })
		if !c.rule.changed(told) {
			return false
		}
	}
	return true
}

func (c *Core) discontinued(lost *pb.WatchDiscontinuity) bool {
	at := placeOf(lost.GetPosition())
	if at == nil {
		return false
	}
	c.rule.discontinued(at)
	if lost.GetReason() == pb.DiscontinuityReason_DISCONTINUITY_REASON_NEW_EPOCH {
		c.dropAll()
		return true
	}
	// What is kept may still be right: it is served again when the server says so.
	c.trust.Add(1)
	c.suspects = c.shelf.keys()
	c.stats.Distrusted += uint64(len(c.suspects))
	return true
}

func (c *Core) dropAll() {
	c.stats.Distrusted += uint64(c.shelf.clear())
	c.suspects = nil
}

func (c *Core) dropCovered(set *Set, overtaken func(*Kept) bool) {
	for _, key := range c.shelf.candidates(set) {
		kept := c.shelf.peek(key)
		if kept != nil && set.Selects(key, &kept.facts) && overtaken(kept) && c.shelf.remove(key) {
			c.stats.Invalidated++
		}
	}
}

// Suspects are entries of which the server is to be asked whether they are still right, at most so many, with the question.
func (c *Core) Suspects(countMax int, now time.Duration) (Asked, []*Kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var suspects []*Kept
	for len(suspects) < countMax && len(c.suspects) > 0 {
		kept := c.shelf.peek(c.suspects[0])
		c.suspects = c.suspects[1:]
		if kept != nil && kept.trust != c.trust.Load() {
			suspects = append(suspects, kept)
		}
	}
	return Asked{c.rule.ticket(), now}, suspects
}

// Confirm: the server says that an entry is still what it was, or, without a confirmation, that it is not, or it has not said
// anything.
func (c *Core) Confirm(asked Asked, suspect *Kept, confirmed *Confirmation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept := c.shelf.peek(suspect.Key); kept != nil && kept.trust == suspect.trust {
		c.shelf.remove(suspect.Key)
	}
	if confirmed == nil {
		return
	}
	lives := Lives{Age: suspect.At(asked.at).Age, FreshFor: confirmed.FreshFor, UsableFor: confirmed.UsableFor}
	if why, _ := c.keep(asked, suspect.Content, confirmed.Stamp, lives); why != "" {
		c.stats.Refused[why]++
	}
	if kept := c.shelf.peek(suspect.Key); kept != nil && kept.trust == c.trust.Load() {
		c.stats.Revalidated++
	}
}

// Update is what the server is to be told about single keys; nil without.
func (c *Core) Update(keysMax int) *Update {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow == nil {
		return nil
	}
	return c.follow.update(keysMax)
}

// Updated: the server was told; at says from where on it follows what was added.
func (c *Core) Updated(update *Update, at *pb.Position) {
	var numbers [logs]uint64
	for i := range numbers {
		numbers[i] = 1<<64 - 1
	}
	for _, log := range at.GetLogs() {
		if log.GetLog() < logs {
			numbers[log.GetLog()] = log.GetNumber()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow != nil {
		c.follow.updated(update, numbers)
	}
}

// NotUpdated: the server could not be told; with full it follows no more keys.
func (c *Core) NotUpdated(update *Update, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow != nil {
		c.follow.refused(update, full)
	}
}

// Stats are what happened and what is held.
func (c *Core) Stats(now time.Duration) Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Refused = maps.Clone(s.Refused)
	s.Hits, s.Misses = c.hits.Load(), c.misses.Load()
	s.Entries, s.Bytes = len(c.shelf.at), c.shelf.bytes
	if c.follow != nil {
		s.Followed = len(c.follow.keys)
	}
	s.Serving = c.rule.line == synced && int64(now) < c.servesUntil.Load()
	if c.rule.heardAt > 0 {
		s.HeardAgo = max(now-c.rule.heardAt, 1)
	}
	return s
}

func (c *Core) publish() { c.servesUntil.Store(int64(c.rule.servesUntil())) }
