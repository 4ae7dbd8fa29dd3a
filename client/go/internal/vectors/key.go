// Package vectors carries out what the language-neutral vectors of tests/conformance say, for the tests and the driver.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	hotplate "example.invalid/hotplate/client/go"
)

// Call is one call of the key builder: its name, then its arguments.
type Call []json.RawMessage

// Key makes a key by the calls of a vector.
func Key(calls []Call) (hotplate.KeyPath, error) {
	key := hotplate.Key()
	for _, call := range calls {
		var err error
		if key, err = add(key, call); err != nil {
			return key, err
		}
	}
	return key, nil
}

func add(key hotplate.KeyPath, call Call) (hotplate.KeyPath, error) {
	if len(call) < 2 {
		return key, fmt.Errorf("a call of the key builder has a name and an argument")
	}
	var name, text string
	if err := json.Unmarshal(call[0], &name); err != nil {
		return key, fmt.Errorf("the name of a call is no text: %w", err)
	}
	var texts []string
	var err error
	switch name {
	case "segments", "unordered":
		err = json.Unmarshal(call[1], &texts)
	case "id", "text", "content", "param":
		err = json.Unmarshal(call[1], &text)
	}
	if err != nil {
		return key, fmt.Errorf("the argument of `%s` is another one: %w", name, err)
	}
	WithHalves(call[1], &text)
	WithHalves(call[1], &texts)
	switch name {
	case "segments":
		if len(texts) == 0 {
			return key, nil
		}
		return hotplate.Join(key, hotplate.Key(texts...)), nil
	case "id":
		return key.ID(text), nil
	case "text":
		return key.Text(text), nil
	case "unordered":
		return key.Unordered(texts...), nil
	case "params":
		return key.Params(call[1]), nil
	case "content":
		content, err := hex.DecodeString(text)
		return key.Content(content), err
	case "param":
		if len(call) != 3 {
			return key, fmt.Errorf("`param` has a name and a value")
		}
		return key.Param(text, call[2]), nil
	}
	return key, fmt.Errorf("the key builder has no `%s`", name)
}
