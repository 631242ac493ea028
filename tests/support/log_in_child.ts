// Logs in by the real browser of its environment, and prints who did. Arguments: the issuer, and the
// address that the browser comes back to (none: the default).
import { Budgets, createBudgetMemory } from "../../engine/io/budget.ts";
import { httpClient } from "../../engine/io/http.ts";
import { openIdentity } from "../../engine/transparency/oidc.ts";

const [issuer = "", redirectUrl] = process.argv.slice(2);
const { env } = process;
await using source = await openIdentity(
  {
    issuer,
    clientId: "sigstore",
    flow: "normal",
    disableAmbientProviders: true,
    ...(redirectUrl === undefined ? {} : { redirectUrl }),
  },
  {
    services: { http: httpClient({ env }), budgets: new Budgets(createBudgetMemory(), 1) },
    env,
    logInTimeoutMs: 90_000, // a browser starts slowly on a busy machine
  },
);
const { proofSubject } = await source.token(AbortSignal.timeout(120_000));
process.stdout.write(`${proofSubject}\n`);
