package main

// Which op is carried out by what.

import (
	"context"
	"fmt"
)

// op carries out one request.
type op func(ctx context.Context, w *world, line []byte) (any, error)

// carryOut carries out the op of this name.
func carryOut(ctx context.Context, w *world, name string, line []byte) (any, error) {
	for _, table := range []func(string) op{clientOp, valueOp, computeOp, watchOp, insightOp, vectorOp} {
		if do := table(name); do != nil {
			return do(ctx, w, line)
		}
	}
	return nil, fmt.Errorf("there is no op `%s`", name)
}

// nothing is the answer of what has none.
type nothing struct{}

func clientOp(name string) op {
	switch name {
	case "open":
		return openClient
	case "close":
		return closeClient
	case "state":
		return state
	}
	return nil
}

func valueOp(name string) op {
	switch name {
	case "get":
		return get
	case "get_many":
		return getMany
	case "put":
		return put
	case "put_negative":
		return putNegative
	case "put_many":
		return putMany
	case "touch":
		return touch
	case "exists":
		return exists
	case "ttl":
		return ttl
	case "remove":
		return remove
	case "invalidate":
		return invalidate
	case "mark_stale":
		return markStale
	case "read_stream":
		return readStream
	case "write_stream":
		return writeStream
	}
	return nil
}

func computeOp(name string) op {
	switch name {
	case "get_or_compute":
		return getOrCompute
	case "computations":
		return computations
	case "release":
		return release
	case "cancel":
		return cancel
	}
	return nil
}

func watchOp(name string) op {
	switch name {
	case "preload":
		return preload
	case "watch_open":
		return watchOpen
	case "watch_next":
		return watchNext
	case "watch_close":
		return watchClose
	}
	return nil
}

func insightOp(name string) op {
	switch name {
	case "stats":
		return stats
	case "explain":
		return explain
	case "server_info":
		return serverInfo
	case "near_stats":
		return nearStats
	}
	return nil
}

func vectorOp(name string) op {
	switch name {
	case "key":
		return keyVector
	case "float":
		return floatVector
	case "ttl_parse":
		return ttlParse
	case "ttl_format":
		return ttlFormat
	case "encode":
		return encode
	case "decode":
		return decode
	case "near_case":
		return nearCase
	}
	return nil
}
