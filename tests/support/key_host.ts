import type { KeyHost } from "../../engine/keys/key_ring.ts";
import { CosignError } from "../../engine/model/errors.ts";

/** A main thread that holds no keys; what it does hold goes before. */
export function keyHost(more: Partial<KeyHost> = {}): KeyHost {
  return {
    sign: async (uri) => {
      throw new CosignError("KEY_NOT_FOUND", `no key is hosted: ${uri}`);
    },
    lease: async (uri) => {
      throw new CosignError("KEY_NOT_FOUND", `no key is leased: ${uri}`);
    },
    ...more,
  };
}
