package vectors

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.invalid/hotplate/client/go/hotplatepb"
	"example.invalid/hotplate/client/go/internal/near"
)

// NearSettings are those of near.json, for all cases.
type NearSettings struct {
	ProgressMaxMS int64 `json:"progress_max_ms"`
	TTLMaxMS      int64 `json:"ttl_max_ms"`
	FencesMax     int   `json:"fences_max"`
}

// NearCase is one case of near.json.
type NearCase struct {
	Name           string     `json:"name"`
	KeepDependents bool       `json:"keep_dependents"`
	Prefixes       []string   `json:"prefixes"`
	FollowKeys     bool       `json:"follow_keys"`
	Steps          []NearStep `json:"steps"`
}

// NearStep is one step of a case. What must come of it is only read by tests.
type NearStep struct {
	Step, As, To, Key, Reason, Kind, Value string
	Epoch, Number, Sets                    uint64
	Log                                    uint32
	At                                     map[string]uint64
	Continued, Current                     bool
	FreshMS                                int64  `json:"fresh_ms"`
	AgeMS                                  int64  `json:"age_ms"`
	MaxAgeMS                               *int64 `json:"max_age_ms"`
	MS                                     int64
	Tags                                   []string
	MadeFrom                               []string `json:"made_from"`
	Selector                               *Selector
	// SetsWritten is `sets` of a step that writes.
	SetsWritten []Selector `json:"-"`

	Kept   *bool
	Why    string
	Expect *string
	Reopen bool
	Add    []string
	Remove []string
}

// UnmarshalJSON reads a step, whose `sets` are a number or a list.
func (s *NearStep) UnmarshalJSON(text []byte) error {
	type plain NearStep
	var sets struct {
		Sets json.RawMessage `json:"sets"`
	}
	if err := json.Unmarshal(text, &sets); err != nil {
		return err
	}
	if len(sets.Sets) > 0 && sets.Sets[0] == '[' {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			return err
		}
		delete(members, "sets")
		rest, err := json.Marshal(members)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(rest, (*plain)(s)); err != nil {
			return err
		}
		return json.Unmarshal(sets.Sets, &s.SetsWritten)
	}
	return json.Unmarshal(text, (*plain)(s))
}

// Selector is a selector as the contract names it.
type Selector struct {
	Key, Prefix, Glob, Tag, Kind *string
	AllTags                      *[]string `json:"all_tags"`
	DependentsOf                 *string   `json:"dependents_of"`
	Everything                   *bool
}

// Wire is the selector as the contract carries it; one that names nothing known is an empty one.
func (s *Selector) Wire() *pb.Selector {
	switch {
	case s.Key != nil:
		return &pb.Selector{Selector: &pb.Selector_Key{Key: *s.Key}}
	case s.Prefix != nil:
		return &pb.Selector{Selector: &pb.Selector_Prefix{Prefix: *s.Prefix}}
	case s.Glob != nil:
		return &pb.Selector{Selector: &pb.Selector_Glob{Glob: *s.Glob}}
	case s.Tag != nil:
		return &pb.Selector{Selector: &pb.Selector_Tag{Tag: *s.Tag}}
	case s.Kind != nil:
		return &pb.Selector{Selector: &pb.Selector_Kind{Kind: *s.Kind}}
	case s.DependentsOf != nil:
		return &pb.Selector{Selector: &pb.Selector_DependentsOf{DependentsOf: *s.DependentsOf}}
	case s.Everything != nil:
		return &pb.Selector{Selector: &pb.Selector_Everything{Everything: *s.Everything}}
	case s.AllTags != nil:
		return &pb.Selector{Selector: &pb.Selector_AllTags{AllTags: &pb.TagSet{Tags: *s.AllTags}}}
	}
	return &pb.Selector{}
}

// NearRun is one case under way, on a clock that only `pass` moves.
type NearRun struct {
	core     *near.Core
	now      time.Duration
	asked    map[string]near.Asked
	writes   map[string][]near.Set
	question near.Asked
	suspects []*near.Kept
	taken    bool
}

// NewNearRun begins a case.
func NewNearRun(settings NearSettings, c *NearCase) *NearRun {
	options := near.Options{
		BytesMax: 64 << 20, EntriesMax: 10_000,
		TTLMax: milliseconds(settings.TTLMaxMS), ProgressMax: milliseconds(settings.ProgressMaxMS),
		Prefixes: c.Prefixes, KeptKeys: c.FollowKeys, KeepDependents: c.KeepDependents,
	}
	return &NearRun{
		core: near.New(options, settings.FencesMax), now: 1_000 * time.Second,
		asked: map[string]near.Asked{}, writes: map[string][]near.Set{},
	}
}

// Step carries out one step and tells what came of it, as PROTOCOL.md has it.
func (r *NearRun) Step(s *NearStep) (map[string]any, error) {
	switch s.Step {
	case "pass":
		r.now += milliseconds(s.MS)
	case "ask":
		r.asked[s.As] = r.core.Ask(r.now)
	case "answer":
		return r.answer(s), nil
	case "read":
		return r.read(s), nil
	case "lost":
		r.core.Lost()
	case "opened", "event", "progress", "discontinuity":
		if !r.message(s) {
			return map[string]any{"reopen": true}, nil
		}
	case "revalidated":
		r.revalidated(s)
	case "followed":
		if update := r.core.Update(100); update != nil {
			r.core.Updated(update, &pb.Position{Logs: []*pb.LogPosition{
				{Log: 3, Epoch: 7, Number: s.At["3"]}, {Log: 64, Epoch: 7, Number: s.At["64"]},
			}})
			slices.Sort(update.Add)
			slices.Sort(update.Remove)
			return map[string]any{"add": append([]string{}, update.Add...), "remove": append([]string{}, update.Remove...)}, nil
		}
		return map[string]any{"add": []string{}, "remove": []string{}}, nil
	case "write_begins":
		sets := make([]near.Set, 0, len(s.SetsWritten))
		for i := range s.SetsWritten {
			sets = append(sets, near.SetOf(s.SetsWritten[i].Wire()))
		}
		r.core.Wrote(sets)
		r.writes[s.As] = sets
	case "write_answered":
		r.core.Wrote(r.writes[s.To])
	case "write_unknown":
		if r.core.MayHaveWritten(r.writes[s.To]) {
			return map[string]any{"reopen": true}, nil
		}
	default:
		return nil, fmt.Errorf("no step is called `%s`", s.Step)
	}
	return map[string]any{}, nil
}

func (r *NearRun) answer(s *NearStep) map[string]any {
	value, err := json.Marshal(s.Value)
	if err != nil {
		return map[string]any{"why": "NO_VALUE"}
	}
	lives := durationpb.New(milliseconds(s.FreshMS))
	response := &pb.GetResponse{
		Outcome: pb.GetOutcome_GET_OUTCOME_HIT,
		Entry: &pb.Entry{
			Payload: &pb.Entry_Value{Value: value},
			Metadata: &pb.EntryMetadata{
				ContentType: "application/json", FreshFor: lives, UsableFor: lives,
				Age: durationpb.New(milliseconds(s.AgeMS)), Kind: s.Kind, Tags: s.Tags, DependsOn: s.MadeFrom,
			},
		},
		AsOf: s.asOf(),
	}
	why, _ := r.core.Offer(r.asked[s.To], s.Key, response)
	if why != "" {
		return map[string]any{"why": string(why)}
	}
	return map[string]any{"kept": true}
}

func (r *NearRun) read(s *NearStep) map[string]any {
	var maxAge *time.Duration
	if s.MaxAgeMS != nil {
		age := milliseconds(*s.MaxAgeMS)
		maxAge = &age
	}
	kept := r.core.Hit(s.Key, maxAge, r.now)
	if kept == nil {
		return map[string]any{"value": nil}
	}
	return map[string]any{"value": json.RawMessage(kept.Value)}
}

func (r *NearRun) message(s *NearStep) bool {
	at := s.place()
	message := &pb.WatchResponse{}
	switch s.Step {
	case "opened":
		r.core.Opening()
		message.Message = &pb.WatchResponse_Created{Created: &pb.WatchCreated{Position: at, WatchId: "watch"}}
	case "progress":
		message.Message = &pb.WatchResponse_Progress{Progress: &pb.WatchProgress{Position: at}}
	case "discontinuity":
		reason := pb.DiscontinuityReason_DISCONTINUITY_REASON_HISTORY_TRIMMED
		if s.Reason == "NEW_EPOCH" {
			reason = pb.DiscontinuityReason_DISCONTINUITY_REASON_NEW_EPOCH
		}
		message.Message = &pb.WatchResponse_Discontinuity{
			Discontinuity: &pb.WatchDiscontinuity{Position: at, Reason: reason},
		}
	default:
		event := &pb.WatchEvent{
			Type: pb.EventType_EVENT_TYPE_PUT, Key: s.Key,
			Position: &pb.LogPosition{Log: s.Log, Epoch: s.Epoch, Number: s.Number},
		}
		if s.Selector != nil {
			event.Type, event.Selector = pb.EventType_EVENT_TYPE_SET_INVALIDATED, s.Selector.Wire()
		}
		message.Message = &pb.WatchResponse_Events{Events: &pb.WatchEvents{Events: []*pb.WatchEvent{event}}}
	}
	return r.core.Take(message, s.Continued, r.now)
}

func (r *NearRun) revalidated(s *NearStep) {
	if !r.taken {
		r.question, r.suspects = r.core.Suspects(100, r.now)
		r.taken = true
	}
	for _, suspect := range r.suspects {
		if suspect.Key != s.Key {
			continue
		}
		var confirmed *near.Confirmation
		if stamp, known := near.StampOf(s.asOf()); known && s.Current {
			lives := milliseconds(s.FreshMS)
			confirmed = &near.Confirmation{Stamp: stamp, FreshFor: lives, UsableFor: lives}
		}
		r.core.Confirm(r.question, suspect, confirmed)
	}
}

func (s *NearStep) asOf() *pb.Position {
	return &pb.Position{Logs: []*pb.LogPosition{
		{Log: s.Log, Epoch: s.Epoch, Number: s.Number}, {Log: 64, Epoch: s.Epoch, Number: s.Sets},
	}}
}

// place is a position of all logs; those that are not named are at zero.
func (s *NearStep) place() *pb.Position {
	at := &pb.Position{}
	for log := range uint32(65) {
		number := s.At[strconv.FormatUint(uint64(log), 10)]
		at.Logs = append(at.Logs, &pb.LogPosition{Log: log, Epoch: s.Epoch, Number: number})
	}
	return at
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
