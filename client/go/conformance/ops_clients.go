package main

// Opening and closing clients, and how they are.

import (
	"context"
	"fmt"
	"strings"

	hotplate "example.invalid/hotplate/client/go"
)

type openArguments struct {
	ID       int64
	Op       string
	Client   string
	URL      string
	URLs     []string
	Settings settingsArguments
}

type settingsArguments struct {
	Namespace          string
	Token              string
	AllowInsecureToken bool    `json:"allow_insecure_token"`
	TimeoutMS          *millis `json:"timeout_ms"`
	Profile            string
	OnError            string `json:"on_error"`
	Disabled           bool
	JournalMax         *int    `json:"journal_max"`
	ComputationsMax    *int    `json:"computations_max"`
	ClientID           *string `json:"client_id"`
	// Pipelining is what this client never does.
	Pipelining     *bool
	ConnectionsMax *int `json:"connections_max"`
	Near           *nearArguments
}

type nearArguments struct {
	BytesMax       int64  `json:"bytes_max"`
	EntriesMax     int    `json:"entries_max"`
	TTLMaxMS       millis `json:"ttl_max_ms"`
	ProgressMaxMS  millis `json:"progress_max_ms"`
	Follow         *followArguments
	KeepDependents bool `json:"keep_dependents"`
}

// followArguments are "namespace", "kept_keys" or {"prefixes": []}.
type followArguments struct {
	how      hotplate.NearFollow
	prefixes []string
}

func (f *followArguments) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case `"namespace"`:
		return nil
	case `"kept_keys"`:
		f.how = hotplate.FollowKeptKeys
		return nil
	}
	given, err := read[struct{ Prefixes []string }](text)
	f.how, f.prefixes = hotplate.FollowPrefixes, given.Prefixes
	return err
}

func openClient(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[openArguments](line)
	if err != nil {
		return nil, err
	}
	options, err := a.Settings.options()
	if err != nil {
		return nil, err
	}
	urls := a.URLs
	if a.URL != "" {
		urls = append(urls, a.URL)
	}
	client, err := hotplate.New(strings.Join(urls, ","), options...)
	if err != nil {
		return nil, err
	}
	return nothing{}, w.open(a.Client, client)
}

func (s *settingsArguments) options() ([]hotplate.Option, error) {
	options := []hotplate.Option{
		hotplate.WithNamespace(s.Namespace), hotplate.WithToken(s.Token), hotplate.WithDisabled(s.Disabled),
	}
	add := func(given bool, option func() hotplate.Option) {
		if given {
			options = append(options, option())
		}
	}
	add(s.AllowInsecureToken, hotplate.WithInsecureTokenAllowed)
	add(s.TimeoutMS != nil, func() hotplate.Option { return hotplate.WithTimeout(s.TimeoutMS.duration()) })
	add(s.JournalMax != nil, func() hotplate.Option { return hotplate.WithJournalMax(*s.JournalMax) })
	add(s.ComputationsMax != nil, func() hotplate.Option { return hotplate.WithComputationsMax(*s.ComputationsMax) })
	add(s.ClientID != nil, func() hotplate.Option { return hotplate.WithClientID(*s.ClientID) })
	add(s.ConnectionsMax != nil, func() hotplate.Option { return hotplate.WithConnectionsMax(*s.ConnectionsMax) })
	if s.Profile != "" {
		profile, err := hotplate.ProfileNamed(s.Profile)
		if err != nil {
			return nil, err
		}
		options = append(options, hotplate.WithProfile(profile))
	}
	switch s.OnError {
	case "", "miss":
	case "raise":
		options = append(options, hotplate.WithOnError(hotplate.OnErrorRaise))
	default:
		return nil, fmt.Errorf("`on_error`: there is no `%s`", s.OnError)
	}
	if s.Near != nil {
		near := hotplate.NearOptions{
			BytesMax: s.Near.BytesMax, EntriesMax: s.Near.EntriesMax, TTLMax: s.Near.TTLMaxMS.duration(),
			ProgressMax: s.Near.ProgressMaxMS.duration(), KeepDependents: s.Near.KeepDependents,
		}
		if s.Near.Follow != nil {
			near.Follow, near.Prefixes = s.Near.Follow.how, s.Near.Follow.prefixes
		}
		options = append(options, hotplate.WithNearCache(near))
	}
	return options, nil
}

func closeClient(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[where](line)
	if err != nil {
		return nil, err
	}
	return nothing{}, w.close(a.Client)
}

func state(_ context.Context, w *world, line []byte) (any, error) {
	a, err := read[where](line)
	if err != nil {
		return nil, err
	}
	client, err := w.client(a.Client)
	if err != nil {
		return nil, err
	}
	d := client.Degradation()
	return map[string]any{
		"available":             client.Available(),
		"invalidations_waiting": client.InvalidationsWaiting(),
		"degradation": map[string]any{
			"reads_without_cache": d.ReadsWithoutCache, "writes_dropped": d.WritesDropped,
			"invalidations_queued": d.InvalidationsQueued, "invalidations_replayed": d.InvalidationsReplayed,
			"outages": d.Outages,
		},
	}, nil
}
