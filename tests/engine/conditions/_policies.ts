import type { PolicyKind } from "../../../engine/conditions/policy.ts";

/** A policy, and what cosign says of {@link STATEMENT} by it. */
export interface PolicyCase {
  readonly name: string;
  readonly kind: PolicyKind;
  readonly text: string;
  /** What the one failure says; a pattern where it is long. Absent: the statement satisfies the policy. */
  readonly says?: string | RegExp;
  /** The command-line program refuses what the library, as cosign calls it, lets pass. */
  readonly isStricterInShell?: true;
}

/** What the policies judge. */
export const STATEMENT: string = `{
  "_type": "https://in-toto.io/Statement/v0.1",
  "predicateType": "https://cosign.sigstore.dev/attestation/v1",
  "subject": [{ "name": "registry.example/app", "digest": { "sha256": "${"ab".repeat(32)}" } }],
  "predicate": {
    "Data": "{\\"passed\\":true}",
    "Timestamp": "2022-04-01T10:00:00Z",
    "builder": { "id": "https://github.com/actions/runner" },
    "materials": [
      { "uri": "git+https://github.com/example/app", "digest": { "sha1": "${"cd".repeat(20)}" } },
      { "uri": "pkg:deb/debian/libc6@2.36" }
    ],
    "score": 7,
    "ratio": 0.5,
    "serial": 12345678901234567890123,
    "version": "1.10.0",
    "reviewers": ["ann", "bob"],
    "vulnerabilities": [
      { "id": "CVE-2024-1", "severity": "LOW" },
      { "id": "CVE-2024-2", "severity": "MEDIUM" }
    ],
    "metadata": { "reproducible": false, "note": null }
  }
}`;

const cue: readonly Omit<PolicyCase, "kind">[] = [
  {
    name: "a predicate type",
    text: `predicateType: "https://cosign.sigstore.dev/attestation/v1"`,
  },
  {
    name: "another predicate type",
    text: `predicateType: "https://slsa.dev/provenance/v0.2"`,
    says: /^predicateType: conflicting values "https:.*" and "https:/,
  },
  { name: "a pattern", text: `predicate: builder: id: =~"^https://github.com/actions/"` },
  {
    name: "a pattern that does not match",
    text: `predicate: builder: id: =~"^https://gitlab.com/"`,
    says: /^predicate\.builder\.id: invalid value .* \(out of bound =~"\^https:\/\/gitlab\.com\/"\)$/,
  },
  { name: "a range", text: "predicate: score: >=5 & <=10" },
  {
    name: "a range past the value",
    text: "predicate: score: >7",
    says: "predicate.score: invalid value 7 (out of bound >7)",
  },
  {
    name: "a time that lies before another",
    text: `import "time"
      before: time.Parse(time.RFC3339, "2049-10-09T17:10:27Z")
      predicate: Timestamp: <before`,
  },
  {
    name: "a time that does not lie before another",
    text: `import "time"
      before: time.Parse(time.RFC3339, "2022-03-09T17:10:27Z")
      predicate: Timestamp: <before`,
    says: /^predicate\.Timestamp: invalid value "2022-04-01T10:00:00Z" \(out of bound </,
  },
  {
    name: "a time as a type",
    text: `import "time"
      predicate: Timestamp: time.Time
      predicate: Data: string`,
  },
  {
    name: "one of several values",
    text: `predicate: vulnerabilities: [...{severity: "LOW" | "MEDIUM"}]`,
  },
  {
    name: "none of several values",
    text: `predicate: vulnerabilities: [...{severity: "NONE" | "LOW"}]`,
    says: /^predicate\.vulnerabilities\.1\.severity: 2 errors in empty disjunction/,
  },
  {
    name: "a list of another length",
    text: "predicate: reviewers: [string]",
    says: /^predicate\.reviewers: incompatible list lengths \(1 and 2\)$/,
  },
  {
    name: "limits of a list",
    text: `import "list"
      predicate: reviewers: list.MinItems(2) & list.MaxItems(2)`,
  },
  {
    name: "a list with too few items",
    text: `import "list"
      predicate: reviewers: list.MinItems(3)`,
    says: `predicate.reviewers: invalid value ["ann","bob"] (does not satisfy list.MinItems(3)): len(list) < MinItems(3) (2 < 3)`,
  },
  {
    name: "a field that is missing, of which only the type is asked",
    text: "predicate: approved: bool",
    isStricterInShell: true,
  },
  {
    name: "a field that is missing and required",
    text: "predicate: approved!: bool",
    says: "predicate.approved: field is required but not present",
  },
  { name: "a field that may be missing", text: "predicate: approved?: true" },
  {
    name: "a closed struct with more in it",
    text: `#Metadata: {reproducible: bool}
      predicate: metadata: #Metadata`,
    says: "predicate.metadata.note: field not allowed",
  },
  { name: "null", text: "predicate: metadata: note: null" },
  {
    name: "strings.HasPrefix",
    text: `import "strings"
      predicate: builder: id: string
      trusted: true & strings.HasPrefix(predicate.builder.id, "https://github.com/")`,
  },
  {
    name: "strings.MaxRunes",
    text: `import "strings"
      predicate: Data: strings.MaxRunes(3)`,
    says: /does not satisfy strings\.MaxRunes\(3\)/,
  },
  {
    name: "a condition",
    text: "predicate: {score: int, if score > 5 {reviewers: [_, _, ...]}}",
  },
  {
    name: "a condition whose consequence does not hold",
    text: "predicate: {score: int, if score > 5 {reviewers: [_, _, _, ...]}}",
    says: "predicate.reviewers: incompatible list lengths (2 and 4)",
  },
  { name: "a number of many digits", text: "predicate: serial: 12345678901234567890123" },
  {
    name: "a number that differs in its last digit",
    text: "predicate: serial: 12345678901234567890124",
    says: "predicate.serial: conflicting values 12345678901234567890123 and 12345678901234567890124",
  },
  { name: "a package", text: `package policy\n"_type": =~"^https://in-toto.io/"` },
  {
    name: "values that contradict each other",
    text: "a: 1\na: 2",
    says: "a: conflicting values 2 and 1",
  },
  { name: "an unfinished struct", text: "predicate: {", says: "expected '}', found 'EOF'" },
  {
    name: "a name that is nowhere",
    text: "predicate: score: limit",
    says: /reference "limit" not found/,
  },
  {
    name: "a package that is nowhere",
    text: `import "example.com/none"\na: none.a`,
    says: /imports are unavailable/,
  },
];

const rego: readonly Omit<PolicyCase, "kind">[] = [
  {
    name: "a rule that holds",
    text: `package signature
      allow { input.predicateType == "https://cosign.sigstore.dev/attestation/v1" }`,
  },
  {
    name: "a rule that does not hold",
    text: `package signature
      allow { input.predicateType == "https://slsa.dev/provenance/v0.2" }`,
    says: "result is undefined for query 'data.signature.allow'",
  },
  {
    name: "a default that holds",
    text: `package signature
      default allow = false
      allow { input.predicate.score > 100 }`,
    says: "expression value, false, is not true",
  },
  {
    name: "a default that does not",
    text: `package signature
      default allow = false
      allow { input.predicate.score > 5 }`,
  },
  {
    name: "a number",
    text: "package signature\nallow = 1",
    says: "expression value, 1, is not true",
  },
  {
    name: "a string",
    text: `package signature\nallow = "true"`,
    says: "expression value, true, is not true",
  },
  {
    name: "a set",
    text: "package signature\nallow[name] { name := input.predicate.reviewers[_] }",
    says: "expression value, [ann bob], is not true",
  },
  {
    name: "an object",
    text: `package signature
      allow[id] = level { some i; id := input.predicate.vulnerabilities[i].id; level := input.predicate.vulnerabilities[i].severity }`,
    says: "expression value, map[CVE-2024-1:LOW CVE-2024-2:MEDIUM], is not true",
  },
  {
    name: "a rule with two values",
    text: `package signature
      allow = x { x := input.predicate.reviewers[_] }`,
    says: /eval_conflict_error: complete rules must not produce multiple outputs/,
  },
  {
    name: "several ways to one value",
    text: `package signature
      allow { input.predicate.vulnerabilities[_].severity == "LOW" }
      allow { input.predicate.reviewers[_] == "bob" }`,
  },
  {
    name: "a set of violations that is empty",
    text: `package signature
      violation[id] { v := input.predicate.vulnerabilities[_]; v.severity == "HIGH"; id := v.id }
      allow { count(violation) == 0 }`,
  },
  {
    name: "a set of violations that is not",
    text: `package signature
      violation[id] { v := input.predicate.vulnerabilities[_]; v.severity == "LOW"; id := v.id }
      allow { count(violation) == 0 }`,
    says: "result is undefined for query 'data.signature.allow'",
  },
  {
    name: "a negation",
    text: `package signature
      deny { input.predicate.metadata.reproducible }
      allow { not deny }`,
  },
  {
    name: "keywords of the future",
    text: `package signature
      import future.keywords
      allow if { every v in input.predicate.vulnerabilities { v.severity in {"LOW", "MEDIUM"} } }`,
  },
  {
    name: "the newer syntax, imported",
    text: `package signature
      import rego.v1
      allow if input.predicate.score == 7`,
  },
  {
    name: "the newer syntax, not imported",
    text: `package signature
      allow if { input.predicate.score == 7 }`,
    says: /rego_parse_error: .*`if`|rego_parse_error: var cannot be used for rule name|var if/,
  },
  {
    name: "times",
    text: `package signature
      allow { time.parse_rfc3339_ns(input.predicate.Timestamp) < time.parse_rfc3339_ns("2049-10-09T17:10:27Z") }`,
  },
  {
    name: "a time in a zone",
    text: `package signature
      allow { [hour, _, _] := time.clock([time.parse_rfc3339_ns(input.predicate.Timestamp), "America/New_York"]); hour == 6 }`,
  },
  {
    name: "a pattern",
    text: `package signature
      allow { regex.match("^git\\\\+https://github\\\\.com/", input.predicate.materials[_].uri) }`,
  },
  {
    name: "json.patch, json.unmarshal, base64",
    text: `package signature
      data_of = json.patch(json.unmarshal(input.predicate.Data), [{"op": "add", "path": "seen", "value": true}])
      allow { data_of == {"passed": true, "seen": true}; base64.decode("YWJj") == "abc" }`,
  },
  {
    name: "semantic versions and walk",
    text: `package signature
      allow { semver.compare(input.predicate.version, "1.9.0") == 1; walk(input, [path, "bob"]); count(path) == 3 }`,
  },
  {
    name: "a number of many digits",
    text: "package signature\nallow { input.predicate.serial == 12345678901234567890123 }",
  },
  {
    name: "a number that differs in its last digit",
    text: "package signature\nallow { input.predicate.serial == 12345678901234567890124 }",
    says: "result is undefined for query 'data.signature.allow'",
  },
  {
    name: "another package",
    text: "package policy\nallow { true }",
    says: "result is undefined for query 'data.signature.allow'",
  },
  {
    name: "a division by zero",
    text: "package signature\nallow { 1 / 0 }",
    says: "result is undefined for query 'data.signature.allow'",
  },
  {
    name: "an unfinished rule",
    text: "package signature\nallow {",
    says: /rego_parse_error/,
  },
  {
    name: "a function that is nowhere",
    text: "package signature\nallow { trusted(input) }",
    says: /rego_type_error: undefined function trusted/,
  },
  {
    name: "a rule that needs itself",
    text: "package signature\nallow { not allow }",
    says: /rego_recursion_error/,
  },
];

/** The policies of both languages. */
export const POLICIES: readonly PolicyCase[] = [
  ...cue.map((policy) => ({ ...policy, kind: "cue" as const })),
  ...rego.map((policy) => ({ ...policy, kind: "rego" as const })),
];
