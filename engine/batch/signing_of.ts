import type { AttestJob, SignJob } from "../model/job.ts";
import { NO_VOUCHERS, type Signing, type Vouchers } from "../sign/vouch.ts";
import type { JobContext } from "./job_context.ts";

/** Who signs for a job, and who vouches for it. */
export function signingOf(job: SignJob | AttestJob, { keys, vouching }: JobContext): Signing {
  return {
    identity: (signal, ended) =>
      keys.identity(job.key, {
        ...(signal === undefined ? {} : { signal }),
        ...(ended === undefined ? {} : { ended }),
      }),
    vouchers: vouchersOf(job, vouching?.vouchers ?? NO_VOUCHERS),
    ...(vouching === undefined ? {} : { context: vouching }),
  };
}

function vouchersOf({ transparency }: SignJob | AttestJob, ofRun: Vouchers): Vouchers {
  if (transparency === undefined) return NO_VOUCHERS;
  const { upload, rekorUrl, timestampUrl } = transparency;
  const logs = rekorUrl === undefined ? ofRun.logs : [{ url: rekorUrl, majorVersion: 1 as const }];
  return {
    logs: upload ? logs : [],
    timestampAuthorities:
      timestampUrl === undefined ? ofRun.timestampAuthorities : [{ url: timestampUrl }],
  };
}
