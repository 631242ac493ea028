import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, runBinary, scrubbedEnvironment } from "../support/binary.ts";
import { requires } from "../support/requires.ts";

setDefaultTimeout(120_000); // a build, and shells on a busy machine

/** How a shell is started so that Ctrl-T writes what stands in its line to the file `line`. */
interface Shell {
  readonly command: string;
  readonly rc: string;
  readonly setup: string;
}

const SHELLS: Readonly<Record<"bash" | "zsh" | "fish", Shell>> = {
  bash: {
    command: "bash --noprofile --rcfile rc -i",
    rc: "rc",
    setup: `PS1='ready> '\nsource <(cosign-ts completion bash)\nbind -x '"\\C-t": printf %s "$READLINE_LINE" > line'\n`,
  },
  zsh: {
    command: "zsh -i",
    rc: ".zshrc",
    setup: `PS1='ready> '\nautoload -U compinit && compinit -u -d ../dump\nsource <(cosign-ts completion zsh)\nshow() { print -rn -- "$BUFFER" > line }\nzle -N show\nbindkey '^T' show\n`,
  },
  fish: {
    command: "fish --no-config -i -C 'source rc'",
    rc: "rc",
    setup: `function fish_prompt; echo 'ready> '; end\nfunction fish_greeting; end\ncosign-ts completion fish | source\nbind \\ct 'commandline > line'\n`,
  },
};

/** What is typed before Tab, and what stands there after it. */
const CASES: readonly (readonly [typed: string, completed: string])[] = [
  ["cosign-ts verify-att", "cosign-ts verify-attestation"],
  ["cosign-ts dockerfile ver", "cosign-ts dockerfile verify"],
  ["cosign-ts verify --insecure-ignore-tl", "cosign-ts verify --insecure-ignore-tlog"],
  ["cosign-ts sign --format bo", "cosign-ts sign --format both"],
  ["cosign-ts sign --format=bo", "cosign-ts sign --format=both"],
  ["cosign-ts verify --output te", "cosign-ts verify --output text"],
  ["cosign-ts verify --key cosi", "cosign-ts verify --key cosign.pub"],
  ["cosign-ts completion fi", "cosign-ts completion fish"],
];

const dir = mkdtempSync(join(tmpdir(), "completion-"));
const bin = join(dir, "bin");
beforeAll(async () => {
  mkdirSync(bin);
  symlinkSync(await buildBinary(), join(bin, "cosign-ts"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("completion", () => {
  for (const [name, shell] of Object.entries(SHELLS)) {
    requires("script", name as "bash" | "zsh" | "fish")(
      `completes commands, flags, their values and files in a real ${name}`,
      async () => {
        const completed: string[] = [];
        for (const [typed] of CASES) completed.push(await typeInto(name, shell, typed));
        expect(completed).toEqual(CASES.map(([, wanted]) => wanted));
      },
    );
  }

  test("prints a script for PowerShell, and refuses other shells", async () => {
    const powershell = await runBinary(["completion", "powershell"]);
    expect(powershell.stdout).toContain(
      "Register-ArgumentCompleter -Native -CommandName 'cosign-ts'",
    );
    const other = await runBinary(["completion", "tcsh"]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("One of: bash, zsh")]);
  });
});

/** Types a text and Tab at the prompt of a shell in a terminal. @returns the line then, without blanks at its end. */
async function typeInto(name: string, shell: Shell, text: string): Promise<string> {
  const home = mkdtempSync(join(dir, `${name}-`));
  writeFileSync(join(home, shell.rc), shell.setup);
  writeFileSync(join(home, "cosign.pub"), "");
  const environment = scrubbedEnvironment(home);
  const child = Bun.spawn(["script", "-qfec", shell.command, "/dev/null"], {
    cwd: home,
    env: { ...environment, PATH: `${bin}:${environment["PATH"]}`, ZDOTDIR: home, TERM: "dumb" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    let shown = "";
    const decoder = new TextDecoder();
    const reader = child.stdout.getReader();
    while (!shown.includes("ready> ")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`"${shell.command}" ended: ${shown}`);
      shown += decoder.decode(value, { stream: true });
    }
    child.stdin.write(`${text}\t\x14`);
    await child.stdin.flush();
    const line = join(home, "line");
    const deadline = Date.now() + 30_000;
    while (!existsSync(line) || readFileSync(line, "utf8") === "") {
      if (Date.now() > deadline) throw new Error(`${name} showed no line for "${text}": ${shown}`);
      await Bun.sleep(20);
    }
    return readFileSync(line, "utf8").trimEnd();
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
