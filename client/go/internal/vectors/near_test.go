package vectors

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

func TestEveryNearCacheVectorHolds(t *testing.T) {
	content, err := os.ReadFile("../../../../tests/conformance/near.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Settings NearSettings
		Cases    []NearCase
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 40 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			run := NewNearRun(file.Settings, &c)
			for place := range c.Steps {
				checkStep(t, place, run, &c.Steps[place])
			}
		})
	}
}

func checkStep(t *testing.T, place int, run *NearRun, step *NearStep) {
	t.Helper()
	came, err := run.Step(step)
	if err != nil {
		t.Fatalf("step %d: %v", place, err)
	}
	switch step.Step {
	case "answer":
		kept, _ := came["kept"].(bool)
		why, _ := came["why"].(string)
		if kept != *step.Kept || why != step.Why {
			t.Fatalf("step %d: %v", place, came)
		}
	case "read":
		var value *string
		if raw, ok := came["value"].(json.RawMessage); ok {
			if err := json.Unmarshal(raw, &value); err != nil {
				t.Fatal(err)
			}
		}
		if (value == nil) != (step.Expect == nil) || (value != nil && *value != *step.Expect) {
			t.Fatalf("step %d: %v", place, came)
		}
	case "followed":
		add, _ := came["add"].([]string)
		remove, _ := came["remove"].([]string)
		if !slices.Equal(add, step.Add) || len(remove) != len(step.Remove) {
			t.Fatalf("step %d: %v", place, came)
		}
	default:
		if _, reopen := came["reopen"]; reopen != step.Reopen {
			t.Fatalf("step %d: %v", place, came)
		}
	}
}
