import { expect, test } from "bun:test";
import { sgetLine } from "../../../engine/cli/sget_line.ts";

test.each([
  ["reg.example/a@sha256:0", "sget reg.example/a@sha256:0"],
  ["--key k -o version reg.example/a:1", "sget --key k -o version reg.example/a:1"],
  ["", "sget "],
  ["--help", "sget --help"],
  ["help", "sget --help"],
  ["version", "version"],
  ["version --json", "version --json"],
  ["completion zsh", "completion zsh"],
  ["__complete --out", "__complete sget --out"],
])("sgetLine() reads %j as %j", (line, wanted) => {
  expect(sgetLine(line.split(" "))).toEqual(wanted.split(" "));
});
