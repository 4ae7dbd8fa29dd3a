package near

// Positions and changes as the contract carries them.

import pb "example.invalid/hotplate/client/go/hotplatepb"

// placeOf is the place that a message of the stream names, all its logs of one epoch; nil for what is none.
func placeOf(position *pb.Position) *Place {
	all := position.GetLogs()
	if len(all) == 0 {
		return nil
	}
	at := &Place{epoch: all[0].GetEpoch()}
	for _, log := range all {
		if log.GetLog() >= logs || log.GetEpoch() != at.epoch {
			return nil
		}
		at.numbers[log.GetLog()] = log.GetNumber()
	}
	return at
}

// StampOf is how current an answer is; false when it does not say so for its key and for sets.
func StampOf(asOf *pb.Position) (Stamp, bool) {
	all := asOf.GetLogs()
	if len(all) != 2 {
		return Stamp{}, false
	}
	key, set := all[0], all[1]
	if key.GetLog() >= setLog || set.GetLog() != setLog || key.GetEpoch() != set.GetEpoch() {
		return Stamp{}, false
	}
	return Stamp{epoch: key.GetEpoch(), log: int(key.GetLog()), key: key.GetNumber(), set: set.GetNumber()}, true
}

func changeOf(event *pb.WatchEvent) (change, bool) {
	at := event.GetPosition()
	if at == nil || at.GetLog() >= logs {
		return change{}, false
	}
	c := change{epoch: at.GetEpoch(), log: int(at.GetLog()), number: at.GetNumber(), what: SetOf(event.GetSelector())}
	if event.GetSelector() == nil && event.GetKey() != "" {
		c.what = KeySet(event.GetKey())
	}
	return c, true
}
