//go:build js && wasm

package main

import (
	"encoding/json"
	"fmt"
	"syscall/js"
	_ "time/tzdata" // there are no files to find time zones in
)

// request names files that the host serves, by kind.
type request struct {
	Cue  []string `json:"cue"`
	Rego []string `json:"rego"`
}

// failure is one reason why the statement does not satisfy the policies.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// main hands `evaluatePolicies(statement: Uint8Array, request: string, answer)` to the host and stays.
// `answer` gets a JSON list of failures.
func main() {
	js.Global().Set("evaluatePolicies", js.FuncOf(func(_ js.Value, args []js.Value) any {
		statement := make([]byte, args[0].Get("length").Int())
		js.CopyBytesToGo(statement, args[0])
		text, answer := args[1].String(), args[2]
		// Files are read by calls to the host: not in the host's own call.
		go func() { answer.Invoke(evaluate(statement, text)) }()
		return nil
	}))
	select {}
}

// evaluate asks CUE first; Rego has the word only when CUE has nothing to say.
func evaluate(statement []byte, text string) string {
	var asked request
	if err := json.Unmarshal([]byte(text), &asked); err != nil {
		panic(err)
	}
	failures := []failure{}
	if len(asked.Cue) > 0 {
		if err := evaluateCue(statement, asked.Cue); err != nil {
			failures = append(failures, failure{"cue", fmt.Sprint(err)})
		}
	}
	if len(failures) == 0 && len(asked.Rego) > 0 {
		for _, err := range evaluateRego(statement, asked.Rego) {
			failures = append(failures, failure{"rego", fmt.Sprint(err)})
		}
	}
	answer, err := json.Marshal(failures)
	if err != nil {
		panic(err)
	}
	return string(answer)
}
