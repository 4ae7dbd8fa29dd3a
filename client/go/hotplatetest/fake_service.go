package hotplatetest

// What a fake cache answers, as the contract has it.

import (
	"context"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	hotplate "example.invalid/hotplate/client/go"
	pb "example.invalid/hotplate/client/go/hotplatepb"
)

type service struct {
	pb.UnimplementedCacheServiceServer

	store *store
}

func refused(code codes.Code, reason, field, message string) error {
	plain := status.New(code, message)
	told, err := plain.WithDetails(
		&errdetails.ErrorInfo{Domain: "hotplate", Reason: reason},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: message}}},
	)
	if err != nil {
		return plain.Err()
	}
	return told.Err()
}

func idOf(namespace, key string) (id, error) {
	if key == "" || len(key) > hotplate.KeyBytesMax {
		return id{}, refused(codes.InvalidArgument, "BAD_KEY", "key", "a key has 1 to 1,024 bytes")
	}
	return id{named(namespace), key}, nil
}

func named(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

// Get finds one entry, and waits where it is asked to.
func (f *service) Get(ctx context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	of, err := idOf(request.GetNamespace(), request.GetKey())
	if err != nil {
		return nil, err
	}
	wait := request.GetWaitTimeout().AsDuration()
	if wait == 0 {
		wait = 30 * time.Second
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for waited := false; ; {
		response, changed := f.look(of, request)
		pending := response.GetOutcome() == pb.GetOutcome_GET_OUTCOME_PENDING
		if !pending || waited || request.GetMissPolicy() != pb.MissPolicy_MISS_POLICY_LEASE_OR_WAIT {
			return response, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			waited = true
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// look is the answer as of now, and what tells that there may be another.
func (f *service) look(of id, request *pb.GetRequest) (*pb.GetResponse, <-chan struct{}) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	e, now := s.usable(of), s.now()
	response := &pb.GetResponse{Outcome: pb.GetOutcome_GET_OUTCOME_MISS, ServedFrom: pb.Tier_TIER_MEMORY}
	fresh := e != nil && now < e.freshUntil
	tooOld := e != nil && request.GetMaxAge() != nil && now-e.storedAt > request.GetMaxAge().AsDuration()
	serveStale := e != nil && request.GetStalePolicy() > pb.StalePolicy_STALE_POLICY_REFUSE
	switch {
	case tooOld:
		response.MissReason = pb.MissReason_MISS_REASON_TOO_OLD
	case fresh && e.negative != nil:
		response.Outcome = pb.GetOutcome_GET_OUTCOME_NEGATIVE
	case fresh && request.GetIfEtagNot() != "" && request.GetIfEtagNot() == e.metadata.GetEtag():
		response.Outcome = pb.GetOutcome_GET_OUTCOME_NOT_MODIFIED
	case fresh:
		response.Outcome = pb.GetOutcome_GET_OUTCOME_HIT
	case serveStale && e.negative == nil:
		response.Outcome = pb.GetOutcome_GET_OUTCOME_STALE
	default:
		response.MissReason = s.missReason(of)
	}
	found := response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_MISS
	if !fresh || tooOld {
		f.lend(of, request, response)
	}
	if found {
		response.Entry = f.entryOf(of, e, request.GetView(), response.GetOutcome())
	}
	if !request.GetPeek() && response.GetOutcome() != pb.GetOutcome_GET_OUTCOME_PENDING {
		f.count(of, e, response.GetOutcome())
	}
	return response, s.changed
}

// lend gives the lease of what is missing, where that is asked for, or says that another has it.
func (f *service) lend(of id, request *pb.GetRequest, response *pb.GetResponse) {
	if request.GetMissPolicy() < pb.MissPolicy_MISS_POLICY_LEASE {
		return
	}
	response.Lease = f.store.grant(of)
	if response.Lease == nil && response.GetOutcome() == pb.GetOutcome_GET_OUTCOME_MISS {
		response.Outcome = pb.GetOutcome_GET_OUTCOME_PENDING
		response.Pending = &pb.Pending{RetryAfter: durationpb.New(50 * time.Millisecond)}
	}
}

func (f *service) entryOf(of id, e *entry, view pb.EntryView, outcome pb.GetOutcome) *pb.Entry {
	told := &pb.Entry{Key: of.key, Metadata: f.store.told(e)}
	switch {
	case e.negative != nil:
		told.Payload = &pb.Entry_Negative{Negative: e.negative}
	case view != pb.EntryView_ENTRY_VIEW_METADATA && outcome != pb.GetOutcome_GET_OUTCOME_NOT_MODIFIED:
		told.Payload = &pb.Entry_Value{Value: e.value}
	}
	return told
}

func (f *service) count(of id, e *entry, outcome pb.GetOutcome) {
	group := f.store.counts(of.namespace)
	switch outcome {
	case pb.GetOutcome_GET_OUTCOME_HIT, pb.GetOutcome_GET_OUTCOME_NOT_MODIFIED:
		group.Hits++
	case pb.GetOutcome_GET_OUTCOME_STALE:
		group.StaleHits++
	case pb.GetOutcome_GET_OUTCOME_NEGATIVE:
		group.NegativeHits++
	default:
		reason := f.store.missReason(of)
		for _, miss := range group.GetMisses() {
			if miss.GetReason() == reason {
				miss.Count++
				return
			}
		}
		group.Misses = append(group.Misses, &pb.MissCount{Reason: reason, Count: 1})
		return
	}
	e.readAt = f.store.now()
	e.metadata.HitCount++
}

// BatchGet finds several.
func (f *service) BatchGet(ctx context.Context, request *pb.BatchGetRequest) (*pb.BatchGetResponse, error) {
	response := &pb.BatchGetResponse{}
	for _, item := range request.GetItems() {
		item.Namespace = request.GetNamespace()
		result := &pb.BatchGetResult{}
		if found, err := f.Get(ctx, item); err != nil {
			result.Result = &pb.BatchGetResult_Error{Error: itemError(err)}
		} else {
			result.Result = &pb.BatchGetResult_Response{Response: found}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

func itemError(err error) *pb.ItemError {
	s := status.Convert(err)
	item := &pb.ItemError{Code: int32(s.Code()), Message: s.Message()}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			item.Reason = d.GetReason()
		case *errdetails.BadRequest:
			item.Field = d.GetFieldViolations()[0].GetField()
		}
	}
	return item
}

// Put stores one entry.
func (f *service) Put(_ context.Context, request *pb.PutRequest) (*pb.PutResponse, error) {
	of, err := idOf(request.GetNamespace(), request.GetKey())
	if err != nil {
		return nil, err
	}
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	there := s.usable(of)
	if request.GetLeaseToken() != "" && s.held(of, request.GetLeaseToken()) == nil {
		return &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_LEASE_LOST}, nil
	}
	if !holds(request.GetPrecondition(), there) {
		response := &pb.PutResponse{Outcome: pb.PutOutcome_PUT_OUTCOME_PRECONDITION_FAILED}
		if there != nil {
			response.Metadata = s.told(there)
		}
		return response, nil
	}
	stored, ok := s.put(of, request)
	if !ok {
		return nil, refused(codes.InvalidArgument, "TTL_OUT_OF_BOUNDS", "expiration.ttl", "a lifetime is at least 1 ms, or names a class")
	}
	delete(s.leases, of)
	s.wake()
	outcome := pb.PutOutcome_PUT_OUTCOME_STORED
	if there != nil && there.metadata.GetEtag() == stored.metadata.GetEtag() {
		outcome = pb.PutOutcome_PUT_OUTCOME_REFRESHED
		s.counts(of.namespace).Refreshes++
	} else {
		s.counts(of.namespace).Puts++
	}
	return &pb.PutResponse{Outcome: outcome, Metadata: s.told(stored)}, nil
}

func holds(condition *pb.Precondition, there *entry) bool {
	switch c := condition.GetCondition().(type) {
	case *pb.Precondition_Absent:
		return there == nil
	case *pb.Precondition_Present:
		return there != nil
	case *pb.Precondition_Etag:
		return there != nil && there.metadata.GetEtag() == c.Etag
	default:
		return true
	}
}

// BatchPut stores several.
func (f *service) BatchPut(ctx context.Context, request *pb.BatchPutRequest) (*pb.BatchPutResponse, error) {
	response := &pb.BatchPutResponse{}
	for _, item := range request.GetItems() {
		item.Namespace = request.GetNamespace()
		result := &pb.BatchPutResult{}
		if stored, err := f.Put(ctx, item); err != nil {
			result.Result = &pb.BatchPutResult_Error{Error: itemError(err)}
		} else {
			result.Result = &pb.BatchPutResult_Response{Response: stored}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

// Touch changes how long an entry lives.
func (f *service) Touch(_ context.Context, request *pb.TouchRequest) (*pb.TouchResponse, error) {
	of, err := idOf(request.GetNamespace(), request.GetKey())
	if err != nil {
		return nil, err
	}
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, stale, idle, ok := lives(request.GetExpiration())
	e := s.usable(of)
	switch {
	case !ok:
		return nil, refused(codes.InvalidArgument, "TTL_OUT_OF_BOUNDS", "expiration.ttl", "a lifetime is at least 1 ms, or names a class")
	case e == nil:
		return &pb.TouchResponse{Outcome: pb.TouchOutcome_TOUCH_OUTCOME_NOT_FOUND}, nil
	}
	e.freshUntil, e.idle = s.now()+fresh, idle
	e.usableTill = e.freshUntil + stale
	return &pb.TouchResponse{Outcome: pb.TouchOutcome_TOUCH_OUTCOME_TOUCHED, Metadata: s.told(e)}, nil
}

// Invalidate drops entries, or marks them stale.
func (f *service) Invalidate(_ context.Context, request *pb.InvalidateRequest) (*pb.InvalidateResponse, error) {
	if len(request.GetSelectors()) == 0 {
		return nil, refused(codes.InvalidArgument, "NO_SELECTOR", "selectors", "an Invalidate names at least one selector")
	}
	if request.GetMode() == pb.InvalidateMode_INVALIDATE_MODE_REFRESH {
		return nil, refused(codes.FailedPrecondition, "NO_ORIGIN", "refresh", "a fake cache has no origins")
	}
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := named(request.GetNamespace())
	keys := s.selected(namespace, request.GetSelectors())
	var following []string
	if request.Cascade == nil || request.GetCascade() {
		following = s.dependents(namespace, request.GetSelectors(), keys)
	}
	response := &pb.InvalidateResponse{MatchedCount: uint64(len(keys)), CascadedCount: uint64(len(following))}
	if request.GetValidateOnly() {
		return response, nil
	}
	for _, key := range append(keys, following...) {
		f.invalidateOne(id{namespace, key}, request.GetMode())
	}
	// What is computed now was begun before.
	for of := range s.leases {
		if of.namespace == namespace {
			delete(s.leases, of)
			response.LeasesRevoked++
		}
	}
	s.wake()
	return response, nil
}

func (f *service) invalidateOne(of id, mode pb.InvalidateMode) {
	e := f.store.entries[of]
	if mode != pb.InvalidateMode_INVALIDATE_MODE_MARK_STALE || e.usableTill <= e.freshUntil {
		f.store.drop(of, pb.MissReason_MISS_REASON_INVALIDATED)
		return
	}
	e.metadata.MarkedStale = true
	e.freshUntil = f.store.now()
}

// ExtendLease keeps a lease.
func (f *service) ExtendLease(_ context.Context, request *pb.ExtendLeaseRequest) (*pb.ExtendLeaseResponse, error) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held(id{named(request.GetNamespace()), request.GetKey()}, request.GetToken())
	if held == nil {
		return &pb.ExtendLeaseResponse{Outcome: pb.LeaseOutcome_LEASE_OUTCOME_LOST}, nil
	}
	held.until = s.now() + leaseDuration
	return &pb.ExtendLeaseResponse{
		Outcome: pb.LeaseOutcome_LEASE_OUTCOME_HELD,
		Lease:   &pb.Lease{Token: held.token, Duration: durationpb.New(leaseDuration)},
	}, nil
}

// ReleaseLease gives a lease back, perhaps with a failure.
func (f *service) ReleaseLease(_ context.Context, request *pb.ReleaseLeaseRequest) (*pb.ReleaseLeaseResponse, error) {
	of := id{named(request.GetNamespace()), request.GetKey()}
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held(of, request.GetToken())
	if held == nil {
		return &pb.ReleaseLeaseResponse{Outcome: pb.LeaseOutcome_LEASE_OUTCOME_LOST}, nil
	}
	delete(s.leases, of)
	switch {
	case request.GetHoldOff() != nil:
		// Nobody's, until that is over.
		s.leases[of] = &lease{until: s.now() + request.GetHoldOff().AsDuration()}
	case request.GetFailure() != nil && s.usable(of) == nil:
		s.put(of, &pb.PutRequest{
			Payload: &pb.PutRequest_Negative{Negative: request.GetFailure()}, Expiration: request.GetExpiration(),
			Kind: request.GetKind(), Tags: request.GetTags(), DependsOn: request.GetDependsOn(),
		})
	}
	s.wake()
	return &pb.ReleaseLeaseResponse{Outcome: pb.LeaseOutcome_LEASE_OUTCOME_HELD}, nil
}

// Stats counts.
func (f *service) Stats(_ context.Context, request *pb.StatsRequest) (*pb.StatsResponse, error) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := named(request.GetNamespace())
	group := s.counts(namespace)
	everything := []*pb.Selector{{Selector: &pb.Selector_Everything{Everything: true}}}
	group.EntryCount = uint64(len(s.selected(namespace, everything)))
	return &pb.StatsResponse{Total: group}, nil
}

// ListEntries lists what is selected, on one page.
func (f *service) ListEntries(_ context.Context, request *pb.ListEntriesRequest) (*pb.ListEntriesResponse, error) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := named(request.GetNamespace())
	selectors := request.GetSelectors()
	if len(selectors) == 0 {
		selectors = []*pb.Selector{{Selector: &pb.Selector_Everything{Everything: true}}}
	}
	response := &pb.ListEntriesResponse{}
	for _, key := range s.selected(namespace, selectors) {
		of := id{namespace, key}
		response.Entries = append(response.Entries, &pb.Entry{Key: key, Metadata: s.told(s.entries[of])})
	}
	return response, nil
}

// GetServerInfo tells that values of any size go with a call.
func (f *service) GetServerInfo(context.Context, *pb.GetServerInfoRequest) (*pb.GetServerInfoResponse, error) {
	return &pb.GetServerInfoResponse{
		Version: hotplate.Version, Profile: "fake",
		Limits: &pb.ServerLimits{
			KeyBytesMax: hotplate.KeyBytesMax, ValueBytesMax: 16 << 20, UnaryValueBytesMax: 16 << 20, BatchItemsMax: 100,
		},
	}, nil
}
