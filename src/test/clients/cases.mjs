// What the clients' cases have in common. OPENAI_BASE_URL and OPENAI_API_KEY say where to; each client reads them by itself.
import assert from "node:assert/strict";
import { z } from "zod";

export const model = "google/gemini-2.5-pro-preview-05-06";
export const limited = "stub/429";
export const keyOfNobody = "sk-test-of-nobody";

/** Where the stub is asked for a tool or for JSON, it fills in what the schema requires. */
export const city = z.object({ city: z.string(), days: z.number().int(), unit: z.enum(["celsius", "fahrenheit"]) });
export const filled = { city: "stub", days: 1, unit: "celsius" };
export const citySchema = z.toJSONSchema(city);

/** Without an argument the names of the cases, a line each; with a name that case: it prints "ok NAME", or throws. */
export async function main(cases) {
  const name = process.argv[2];
  if (name === undefined) {
    console.log(Object.keys(cases).join("\n"));
    return;
  }
  await cases[name]();
  console.log(`ok ${name}`);
}

/** The error that the call fails with. */
export async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return assert.fail("no error");
}

export function isUnknownKey(status, error) {
  assert.equal(status, 401);
  assert.equal(error.code, "invalid_api_key");
  assert.match(error.message, /incorrect API key/);
}

export function isLimited(status, error) {
  assert.equal(status, 429);
  assert.equal(error.type, "rate_limit_error");
  assert.match(error.message, /The stub was asked for a 429/);
}

/** Three words take three deltas: what comes in one piece was no stream. */
export function isStreamed(pieces) {
  assert.deepEqual(pieces, ["You ", "said: ", "Hello"]);
}
