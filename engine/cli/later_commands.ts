import { type Command, type RefusedSpec, refusedCommand } from "./command.ts";
import type { FlagTable } from "./flag.ts";
import {
  DEVICE_FLAGS,
  PIV_TOOL_ATTESTATION_FLAGS,
  PIV_TOOL_GENERATE_KEY_FLAGS,
  PIV_TOOL_SET_MANAGEMENT_KEY_FLAGS,
  PIV_TOOL_SET_PIN_FLAGS,
  PIV_TOOL_SET_PUK_FLAGS,
  PIV_TOOL_UNBLOCK_FLAGS,
  PKCS11_TOOL_LIST_KEYS_URIS_FLAGS,
  PKCS11_TOOL_LIST_TOKENS_FLAGS,
} from "./flags/device.ts";
import { POLICY_INIT_FLAGS, POLICY_SIGN_FLAGS } from "./flags/later.ts";

const NONE = { minimum: 0, maximum: 0 } as const;
const DEVICE_HINT = "Work with key files meanwhile: --key cosign.key";

/** The commands of cosign that are known and refused. */
export const REFUSED_COMMANDS: Readonly<Record<string, Command>> = {
  ...device(
    "piv-tool attestation",
    "Show the attestation of a PIV device",
    PIV_TOOL_ATTESTATION_FLAGS,
  ),
  ...device("piv-tool generate-key", "Make a key on a PIV device", PIV_TOOL_GENERATE_KEY_FLAGS),
  ...device("piv-tool reset", "Empty a PIV device", DEVICE_FLAGS),
  ...device(
    "piv-tool set-management-key",
    "Change the management key",
    PIV_TOOL_SET_MANAGEMENT_KEY_FLAGS,
  ),
  ...device("piv-tool set-pin", "Change the PIN", PIV_TOOL_SET_PIN_FLAGS),
  ...device("piv-tool set-puk", "Change the PUK", PIV_TOOL_SET_PUK_FLAGS),
  ...device("piv-tool unblock", "Unblock the PIN by the PUK", PIV_TOOL_UNBLOCK_FLAGS),
  ...device(
    "pkcs11-tool list-tokens",
    "List the tokens of a PKCS #11 module",
    PKCS11_TOOL_LIST_TOKENS_FLAGS,
  ),
  ...device(
    "pkcs11-tool list-keys-uris",
    "List the keys of a PKCS #11 token",
    PKCS11_TOOL_LIST_KEYS_URIS_FLAGS,
  ),
  ...removed("policy init", "Make a policy of maintainers", POLICY_INIT_FLAGS),
  ...removed("policy sign", "Sign a policy of maintainers", POLICY_SIGN_FLAGS),
};

type Refused = Readonly<Record<string, Command>>;

function later(
  words: string,
  brief: string,
  flags: FlagTable,
  args: RefusedSpec<FlagTable>["args"],
  hint: string,
  hidden = false,
): Refused {
  const refused = `The command "${words}" is not available in this version`;
  const code = "FEATURE_UNAVAILABLE";
  return { [words]: refusedCommand({ brief, flags, args, hint, hidden, refused, code }) };
}

function device(words: string, brief: string, flags: FlagTable): Refused {
  return later(words, brief, flags, NONE, DEVICE_HINT);
}

function removed(words: string, brief: string, flags: FlagTable): Refused {
  const refused = `The command "${words}" is not there: cosign itself took it out in 2.0, and nothing verifies what it made`;
  const hint =
    "Say whose signatures count where they are verified: --key, or a verification manifest";
  return {
    [words]: refusedCommand({
      brief,
      flags,
      args: NONE,
      hint,
      hidden: true,
      refused,
      code: "USAGE",
    }),
  };
}
