import { confirmStatement } from "../io/password.ts";
import type { Generation } from "../model/exit_code.ts";
import type { Output } from "./command.ts";

/** What cosign 2 and 3 say before something is written into a public log for ever. */
const STATEMENT = `
	The sigstore service, hosted by sigstore a Series of LF Projects, LLC, is provided pursuant to the Hosted Project Tools Terms of Use, available at https://lfprojects.org/policies/hosted-project-tools-terms-of-use/.
	Note that if your submission includes personal data associated with this signed artifact, it will be part of an immutable record.
	This may include the email address associated with the account with which you authenticate your contractual Agreement.
	This information will be used for signing this artifact and will be stored in public transparency logs and cannot be removed later, and is subject to the Immutable Record notice at https://lfprojects.org/policies/hosted-project-tools-immutable-records/.

By typing 'y', you attest that (1) you are not submitting the personal data of any other person; and (2) you understand and agree to the statement and the Agreement terms at the URLs listed above.
`;
/** What cosign 1 says of certificates. */
const OLD_STATEMENT = `
        Note that there may be personally identifiable information associated with this signed artifact.
        This may include the email address associated with the account with which you authenticate.
        This information will be used for signing this artifact and will be stored in public transparency logs and cannot be removed later.
`;
const OLD_CONFIRMATION =
  "        By typing 'y', you attest that you grant (or have permission to grant) and agree to have this information stored permanently in transparency logs.\n";

/** Who is told, and may say no. */
export interface PrivacyOptions {
  readonly generation: Generation;
  /** `--yes`: it is said, and nobody is asked. */
  readonly yes: boolean;
  readonly stderr: Output;
}

/** Says once what will be public for ever, and asks whether to go on. */
export class PrivacyNotice {
  readonly #options: PrivacyOptions;
  #said: Promise<void> | undefined;

  constructor(options: PrivacyOptions) {
    this.#options = options;
  }

  /**
   * Before an entry is written into a log, where the signing config does not say which.
   *
   * @throws {CosignError} `PROMPT_DECLINED`.
   */
  async beforeLog(): Promise<void> {
    if (this.#options.generation > 1) await this.#say(true);
  }

  /**
   * Before somebody is asked for his identity.
   *
   * @param isInBrowser He sits there, and logs in by a browser.
   * @throws {CosignError} `PROMPT_DECLINED`.
   */
  async beforeIdentity(isInBrowser: boolean): Promise<void> {
    if (isInBrowser || this.#options.generation === 1) await this.#say(isInBrowser);
  }

  async #say(asks: boolean): Promise<void> {
    this.#said ??= this.#sayOnce(asks);
    await this.#said;
  }

  async #sayOnce(asks: boolean): Promise<void> {
    const { generation, yes, stderr } = this.#options;
    const isOld = generation === 1;
    stderr.write(isOld ? OLD_STATEMENT : STATEMENT);
    if (!asks) return;
    if (isOld && !yes) stderr.write(OLD_CONFIRMATION);
    if (!yes) await confirmStatement();
  }
}
