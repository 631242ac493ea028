import type { Target } from "../model/job.ts";
import { parseReference, parseRepository } from "../model/reference.ts";
import type { Subject, SubjectHome } from "../model/subject.ts";
import { openLayout } from "../registry/layout.ts";
import type { Registry, RequestMeter } from "../registry/session.ts";
import type { Store } from "../registry/store.ts";
import type { Conventions } from "./conventions.ts";

/** The stores that one job reads and writes. */
export interface Stores {
  readonly conventions: Conventions;
  /** Where a target's manifests lie. */
  ofTarget(target: Target): Store;
  /** Where a subject's manifest lies. */
  of(home: SubjectHome): Store;
  /** Where the companions of a subject lie: beside it, or in `COSIGN_REPOSITORY`. */
  companionsOf(subject: Subject): Store;
}

/**
 * Opens stores for one job.
 *
 * @param meter Counts the job's requests.
 */
export function openStores(
  registry: Registry,
  conventions: Conventions,
  meter: RequestMeter,
): Stores {
  const of = (home: SubjectHome): Store =>
    home.at === "layout" ? openLayout(home.path) : registry.repository(home.reference, meter);
  return {
    conventions,
    of,
    ofTarget: (target) =>
      target.type === "layout"
        ? openLayout(target.path)
        : registry.repository(parseReference(target.reference), meter),
    companionsOf: (subject) => {
      const { targetRepository } = conventions;
      if (targetRepository === undefined || subject.home.at === "layout") return of(subject.home);
      return registry.repository(parseRepository(targetRepository), meter);
    },
  };
}
