/**
 * Asks, under Deno, each URL of the arguments with the same client, and prints a line of JSON for each:
 * `deno run -A _deno_transport.ts CA_FILE URL…`.
 */
import { readFileSync } from "node:fs";
import { httpClient, networkFault, readBody } from "../../../engine/io/http.ts";

const [caFile = "", ...urls] = process.argv.slice(2);
const client = httpClient({ env: { ...process.env } });
const tls = caFile === "" ? {} : { caPem: readFileSync(caFile, "utf8") };
for (const url of urls) {
  try {
    const body = await readBody(await client({ method: "GET", url, tls }), 1000);
    console.log(JSON.stringify({ body: new TextDecoder().decode(body) }));
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
    console.log(JSON.stringify({ code, fault: networkFault(error) }));
  }
}
process.exit();
