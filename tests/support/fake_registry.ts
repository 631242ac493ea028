import { CosignError } from "../../engine/model/errors.ts";
import type { Repository } from "../../engine/model/reference.ts";
import type { Registry } from "../../engine/registry/session.ts";

type Listing = readonly (string | CosignError)[] | CosignError;

/** A registry that can only be listed: tags by repository; an error stands where the listing breaks off. */
export interface FakeRegistry extends Registry {
  /** How many listings of tags were open at once, at most. */
  mostAtOnce(): number;
  /** How many listings of tags were asked for. */
  asked(): number;
}

/** Makes a {@link FakeRegistry}. @param catalogFault Thrown behind the last repository of the catalog. */
export function fakeRegistry(
  repositories: Readonly<Record<string, Listing>>,
  catalogFault?: CosignError,
): FakeRegistry {
  const state = { open: 0, most: 0, asked: 0 };
  return {
    repository: () => {
      throw new TypeError("This registry can only be listed");
    },
    async *tags({ repository }: Repository, signal?: AbortSignal) {
      state.asked += 1;
      state.open += 1;
      state.most = Math.max(state.most, state.open);
      try {
        await new Promise((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
        const listing = repositories[repository];
        if (listing === undefined) throw new CosignError("IMAGE_NOT_FOUND", `no ${repository}`);
        if (listing instanceof CosignError) throw listing;
        for (const tag of listing) {
          if (tag instanceof CosignError) throw tag;
          yield tag;
        }
      } finally {
        state.open -= 1;
      }
    },
    async *catalog() {
      yield* Object.keys(repositories);
      if (catalogFault !== undefined) throw catalogFault;
    },
    mostAtOnce: () => state.most,
    asked: () => state.asked,
  };
}
