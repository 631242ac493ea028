/** What a plugin can be written in, and the name of the example that a new one is made of. */
export const SCAFFOLDS = {
  shell: { example: "shell", ending: "" },
  typescript: { example: "typescript", ending: ".ts" },
} as const;

/** The language of a scaffold. */
export type ScaffoldLanguage = keyof typeof SCAFFOLDS;

/** A file to write. */
export interface ScaffoldFile {
  readonly name: string;
  readonly text: string;
  readonly isProgram: boolean;
}

/**
 * A key plugin that works, with its declaration and its test: the example of this repository under another name.
 *
 * @param example The example's own text.
 * @param folder Where it will lie: absolute, since declarations name whole paths.
 */
export function scaffold(
  name: string,
  language: ScaffoldLanguage,
  example: string,
  folder: string,
): readonly ScaffoldFile[] {
  const { example: old, ending } = SCAFFOLDS[language];
  const program = `sigstore-kms-${name}${ending}`;
  const text = example
    .replaceAll(`sigstore-kms-${old}`, `sigstore-kms-${name}`)
    .replaceAll(`${old}://`, `${name}://`);
  const declaration = {
    name,
    api: 1,
    source: "process",
    brief: `keys of ${name}`,
    command: [`${folder}/${program}`],
    provides: { key: [name] },
    env: [`${name.toUpperCase().replaceAll("-", "_")}_*`],
  };
  return [
    { name: program, text, isProgram: true },
    {
      name: "plugins.json",
      text: `${JSON.stringify([declaration], undefined, 2)}\n`,
      isProgram: false,
    },
    { name: "test.sh", text: testScript(name), isProgram: true },
    { name: "README.md", text: readme(name, program), isProgram: false },
  ];
}

function testScript(name: string): string {
  return `#!/bin/sh
# Tests the plugin as its users use it: makes a key, signs a file, verifies the signature with the public key.
# COSIGN_TS names another program than cosign-ts on the PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
run() { \${COSIGN_TS:-cosign-ts} "$@" --plugins "$here/plugins.json"; }

run plugins check ${name}
run generate-key-pair --kms "${name}://$work/key.pem"
run plugins check --key "${name}://$work/key.pem" --sign
echo "something to sign" >blob
run sign-blob --key "${name}://$work/key.pem" --tlog-upload=false --bundle bundle.json blob
run verify-blob --key cosign.pub --insecure-ignore-tlog --bundle bundle.json blob
if run verify-blob --key cosign.pub --insecure-ignore-tlog --bundle bundle.json cosign.pub 2>/dev/null; then
  echo "a signature of another file was accepted" >&2
  exit 1
fi
echo "${name}: all passed"
`;
}

function readme(name: string, program: string): string {
  return `# sigstore-kms-${name}

A key plugin of cosign-ts (and of cosign 2.4.3 or later): keys are called \`${name}://…\`.

- \`${program}\`: the plugin. It works, with keys in files; put your service in their place.
- \`plugins.json\`: declares it: \`cosign-ts --plugins plugins.json …\`, or put its content into
  \`~/.config/cosign-ts/plugins.json\`. \`env\` names the variables that the plugin may see; \`sha256\` can pin the program.
- \`test.sh\`: makes a key, signs and verifies. Run it after every change.

Or put the program on the PATH under the name \`sigstore-kms-${name}\`: then nothing has to be declared, and cosign finds
it too.
`;
}
