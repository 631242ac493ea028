// Package main evaluates CUE and Rego policies on JSON, by the libraries that cosign uses itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
	cuejson "cuelang.org/go/encoding/json"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// query is what a Rego policy decides.
const query = "data.signature.allow"

// outside are the built-in functions that would reach the network.
var outside = map[string]bool{"http.send": true, "net.lookup_ip_addr": true}

// evaluateCue unifies the statement with the files, which are one CUE instance.
func evaluateCue(statement []byte, files []string) error {
	cue := cuecontext.New()
	for _, instance := range load.Instances(files, nil) {
		if instance.Err != nil {
			return instance.Err
		}
		constraint := cue.BuildInstance(instance)
		if err := constraint.Err(); err != nil {
			return err
		}
		if err := cuejson.Validate(statement, constraint); err != nil {
			return err
		}
	}
	return nil
}

// evaluateRego asks the query of all files together, in the older syntax (v0) of Rego.
func evaluateRego(statement []byte, files []string) []error {
	ctx := context.Background()
	prepared, err := rego.New(
		rego.Query(query),
		rego.Load(files, nil),
		rego.SetRegoVersion(ast.RegoV0),
		rego.Capabilities(inside()),
	).PrepareForEval(ctx)
	if err != nil {
		return []error{err}
	}
	decoder := json.NewDecoder(bytes.NewReader(statement))
	decoder.UseNumber() // as text: no digit of a large number is lost
	var input any
	if err := decoder.Decode(&input); err != nil {
		return []error{err}
	}
	results, err := prepared.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		return []error{err}
	}
	if results.Allowed() {
		return nil
	}
	var failures []error
	for _, result := range results {
		for _, expression := range result.Expressions {
			failures = append(failures, fmt.Errorf("expression value, %v, is not true", expression))
		}
	}
	if len(failures) == 0 {
		failures = append(failures, fmt.Errorf("result is undefined for query '%s'", query))
	}
	return failures
}

// inside is everything that Rego can do without the network.
func inside() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	var builtins []*ast.Builtin
	for _, builtin := range all.Builtins {
		if !outside[builtin.Name] {
			builtins = append(builtins, builtin)
		}
	}
	all.Builtins = builtins
	all.AllowNet = []string{} // also no schema is fetched by its address
	return all
}
