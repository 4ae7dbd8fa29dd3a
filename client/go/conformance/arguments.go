package main

// What requests may say, as the client takes it.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	hotplate "example.invalid/hotplate/client/go"
	"example.invalid/hotplate/client/go/internal/vectors"
)

// where is what all requests on clients say.
type where struct {
	ID        int64
	Op        string
	Client    string
	Namespace string
	Codec     string
}

// read reads a request. What it does not know is a fault, so that a driver that is too old says so.
func read[A any](line []byte) (A, error) {
	var arguments A
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&arguments)
	vectors.WithHalves(line, &arguments)
	return arguments, err
}

// key is the text of a key, or calls of the builder.
type key struct{ hotplate.AsKey }

func (k *key) UnmarshalJSON(text []byte) error {
	var whole string
	if err := json.Unmarshal(text, &whole); err == nil {
		vectors.WithHalves(text, &whole)
		k.AsKey = hotplate.Text(whole)
		return nil
	}
	calls, err := read[struct{ Calls []vectors.Call }](text)
	if err != nil {
		return fmt.Errorf("`key` is neither text nor calls: %w", err)
	}
	k.AsKey, err = vectors.Key(calls.Calls)
	return err
}

func (k key) check() error {
	if k.AsKey == nil {
		return fmt.Errorf("`key` is missing")
	}
	return nil
}

// millis is a time in whole milliseconds.
type millis int64

func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// lifetime is text as users write it, or a number of seconds.
type lifetime json.RawMessage

func (l *lifetime) UnmarshalJSON(text []byte) error {
	*l = bytes.Clone(text)
	return nil
}

func (l lifetime) parse() (hotplate.Lifetime, error) {
	text := string(l)
	if len(l) > 0 && l[0] == '"' {
		if err := json.Unmarshal(l, &text); err != nil {
			return hotplate.Lifetime{}, err
		}
	}
	return hotplate.ParseLifetime(text)
}

type readArguments struct {
	AcceptStale      bool    `json:"accept_stale"`
	MaxAgeMS         *millis `json:"max_age_ms"`
	Peek             bool
	SlowestTier      string `json:"slowest_tier"`
	WithoutNearCache bool   `json:"without_near_cache"`
}

func (r *readArguments) options() ([]hotplate.ReadOption, error) {
	var options []hotplate.ReadOption
	if r.AcceptStale {
		options = append(options, hotplate.AcceptStale())
	}
	if r.MaxAgeMS != nil {
		options = append(options, hotplate.MaxAge(r.MaxAgeMS.duration()))
	}
	if r.Peek {
		options = append(options, hotplate.Peek())
	}
	if r.WithoutNearCache {
		options = append(options, hotplate.PastNearCache())
	}
	switch r.SlowestTier {
	case "":
	case "memory":
		options = append(options, hotplate.SlowestTier(hotplate.TierMemory))
	case "disk":
		options = append(options, hotplate.SlowestTier(hotplate.TierDisk))
	case "shared":
		options = append(options, hotplate.SlowestTier(hotplate.TierShared))
	default:
		return nil, fmt.Errorf("there is no tier `%s`", r.SlowestTier)
	}
	return options, nil
}

type writeArguments struct {
	TTL                lifetime
	StaleForMS         *millis `json:"stale_for_ms"`
	IdleMS             *millis `json:"idle_ms"`
	CostMS             *millis `json:"cost_ms"`
	Jitter             *float64
	RefreshAhead       *float64 `json:"refresh_ahead"`
	RefreshAheadXFetch *float64 `json:"refresh_ahead_xfetch"`
	Kind               string
	Tags               []string
	DependsOn          []string `json:"depends_on"`
	Labels             map[string]string
	IfAbsent           bool    `json:"if_absent"`
	IfPresent          bool    `json:"if_present"`
	IfEtag             *string `json:"if_etag"`
}

func (w *writeArguments) options() ([]hotplate.WriteOption, error) {
	var options []hotplate.WriteOption
	if w.TTL != nil {
		lifetime, err := w.TTL.parse()
		if err != nil {
			return nil, err
		}
		options = append(options, hotplate.TTLOf(lifetime))
	}
	add := func(given bool, option func() hotplate.WriteOption) {
		if given {
			options = append(options, option())
		}
	}
	add(w.StaleForMS != nil, func() hotplate.WriteOption { return hotplate.StaleFor(w.StaleForMS.duration()) })
	add(w.IdleMS != nil, func() hotplate.WriteOption { return hotplate.Idle(w.IdleMS.duration()) })
	add(w.CostMS != nil, func() hotplate.WriteOption { return hotplate.Cost(w.CostMS.duration()) })
	add(w.Jitter != nil, func() hotplate.WriteOption { return hotplate.Jitter(*w.Jitter) })
	add(w.RefreshAhead != nil, func() hotplate.WriteOption { return hotplate.RefreshAhead(*w.RefreshAhead) })
	add(w.RefreshAheadXFetch != nil, func() hotplate.WriteOption {
		return hotplate.RefreshAheadXFetch(*w.RefreshAheadXFetch)
	})
	add(w.Kind != "", func() hotplate.WriteOption { return hotplate.OfKind(w.Kind) })
	add(len(w.Tags) > 0, func() hotplate.WriteOption { return hotplate.Tags(w.Tags...) })
	add(len(w.DependsOn) > 0, func() hotplate.WriteOption { return hotplate.DependsOn(w.DependsOn...) })
	for name, value := range w.Labels {
		options = append(options, hotplate.Label(name, value))
	}
	add(w.IfAbsent, hotplate.IfAbsent)
	add(w.IfPresent, hotplate.IfPresent)
	add(w.IfEtag != nil, func() hotplate.WriteOption { return hotplate.IfEtag(*w.IfEtag) })
	return options, nil
}

type computeArguments struct {
	writeArguments
	Mode                 string
	StaleIfError         bool     `json:"stale_if_error"`
	StaleWhileRevalidate bool     `json:"stale_while_revalidate"`
	MaxAgeMS             *millis  `json:"max_age_ms"`
	WaitMS               *millis  `json:"wait_ms"`
	PerProcess           bool     `json:"per_process"`
	RememberFailure      lifetime `json:"remember_failure"`
	HoldOffMS            *millis  `json:"hold_off_ms"`
}

func (c *computeArguments) options() ([]hotplate.ComputeOption, error) {
	writes, err := c.writeArguments.options()
	if err != nil {
		return nil, err
	}
	var options []hotplate.ComputeOption
	for _, write := range writes {
		options = append(options, write)
	}
	modes := map[string]hotplate.CacheMode{
		"": hotplate.CacheUse, "use": hotplate.CacheUse, "bypass": hotplate.CacheBypass, "refresh": hotplate.CacheRefresh,
		"only": hotplate.CacheOnly,
	}
	mode, known := modes[c.Mode]
	if !known {
		return nil, fmt.Errorf("there is no mode `%s`", c.Mode)
	}
	options = append(options, hotplate.InMode(mode))
	add := func(given bool, option func() hotplate.ComputeOption) {
		if given {
			options = append(options, option())
		}
	}
	add(c.StaleIfError, hotplate.StaleIfError)
	add(c.StaleWhileRevalidate, hotplate.StaleWhileRevalidate)
	add(c.PerProcess, hotplate.PerProcess)
	add(c.MaxAgeMS != nil, func() hotplate.ComputeOption { return hotplate.MaxAge(c.MaxAgeMS.duration()) })
	add(c.WaitMS != nil, func() hotplate.ComputeOption { return hotplate.Wait(c.WaitMS.duration()) })
	add(c.HoldOffMS != nil, func() hotplate.ComputeOption { return hotplate.HoldOff(c.HoldOffMS.duration()) })
	if c.RememberFailure != nil {
		lifetime, err := c.RememberFailure.parse()
		if err != nil {
			return nil, err
		}
		options = append(options, hotplate.RememberFailure(lifetime))
	}
	return options, nil
}

type selectorArguments struct {
	Key                     *key
	Prefix, Glob, Tag, Kind *string
	AllTags                 *[]string `json:"all_tags"`
	DependentsOf            *string   `json:"dependents_of"`
	Everything              *bool
}

func selectors(given []selectorArguments) ([]hotplate.Selector, error) {
	all := make([]hotplate.Selector, 0, len(given))
	for _, s := range given {
		switch {
		case s.Key != nil:
			all = append(all, hotplate.ByKey(s.Key))
		case s.Prefix != nil:
			all = append(all, hotplate.ByPrefix(*s.Prefix))
		case s.Glob != nil:
			all = append(all, hotplate.ByGlob(*s.Glob))
		case s.Tag != nil:
			all = append(all, hotplate.ByTag(*s.Tag))
		case s.Kind != nil:
			all = append(all, hotplate.ByKind(*s.Kind))
		case s.AllTags != nil:
			all = append(all, hotplate.ByAllTags(*s.AllTags...))
		case s.DependentsOf != nil:
			all = append(all, hotplate.DependentsOf(*s.DependentsOf))
		case s.Everything != nil:
			all = append(all, hotplate.Everything())
		default:
			return nil, fmt.Errorf("a selector selects by nothing")
		}
	}
	return all, nil
}
