// Package hotplate is the client of the hotplate cache: results that are expensive to compute, kept where every process
// can reach them.
//
// A [Client] holds the connections, a [Namespace] reads and writes typed values, [Calls] are the RPCs as they are. A
// cache that is away is a miss, never an error, unless [OnErrorRaise] asks for it.
//
//	client, err := hotplate.New("hotplate://127.0.0.1:7070/ml", hotplate.WithProfile(hotplate.InCluster()))
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	metrics := hotplate.NS(client, "", hotplate.JSON[Metrics]())
//	key := hotplate.Key("model", "metrics").ID("abc-123").Param("top", 10) // model:metrics:abc-123:top_10
//	m, err := metrics.GetOrCompute(ctx, key, func(ctx context.Context) (Metrics, error) {
//		return train(ctx, "abc-123")
//	}, hotplate.TTL(time.Hour), hotplate.Tags("model:abc-123"))
//
// Everything here may be used by any number of goroutines at once, unless it says otherwise.
package hotplate
