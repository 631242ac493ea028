import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";

interface Fault {
  /** SQLite's result code, primary or extended. */
  readonly errcode: number;
  /** Part of SQLite's message: Deno gives no code for some calls. */
  readonly text: string;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
}

const FULL = {
  code: "LEDGER_FULL",
  detail: "the disk is full, or the file may not grow",
  hint: "Make room, then go on with --resume: nothing that was recorded is lost",
} as const;

const FAULTS: readonly Fault[] = [
  { errcode: 13, text: "disk is full", ...FULL },
  { errcode: 778, text: "disk is full", ...FULL }, // SQLITE_IOERR_WRITE: a quota, or a limit on file sizes
  {
    errcode: 10,
    text: "disk I/O error",
    code: "LEDGER_UNREADABLE",
    detail: "reading or writing it failed",
    hint: "Check the disk, then go on with --resume: nothing that was recorded is lost",
  },
  {
    errcode: 5,
    text: "database is locked",
    code: "LEDGER_LOCKED",
    detail: "another run is using it",
    hint: "Wait for the other run, or name another file by --ledger",
  },
  {
    errcode: 26,
    text: "file is not a database",
    code: "LEDGER_FOREIGN",
    detail: "it is no ledger",
    hint: "Name another file by --ledger; this one was not touched",
  },
  {
    errcode: 11,
    text: "malformed",
    code: "LEDGER_CORRUPT",
    detail: "the file is damaged",
    hint: "Keep the file for inspection and name a new one by --ledger; sign with --skip-signed",
  },
  {
    errcode: 8,
    text: "readonly database",
    code: "LEDGER_UNREADABLE",
    detail: "it cannot be written",
    hint: "Check the permissions, or name another file by --ledger",
  },
  {
    errcode: 14,
    text: "unable to open",
    code: "LEDGER_UNREADABLE",
    detail: "it cannot be opened",
    hint: "Check that its directory exists and can be written, or name another file by --ledger",
  },
];

/** Turns what SQLite throws into an error with a code; anything else is handed through. */
export function ledgerFault(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CosignError) return error;
  const errcode = "errcode" in error && typeof error.errcode === "number" ? error.errcode : -1;
  const fault = FAULTS.find((one) =>
    errcode >= 0
      ? errcode === one.errcode || (errcode & 0xff) === one.errcode
      : error.message.includes(one.text),
  );
  if (fault !== undefined) {
    return new CosignError(fault.code, `Cannot use ledger "${path}": ${fault.detail}`, {
      hint: fault.hint,
      cause: error,
    });
  }
  if (errcode < 0 && !(error instanceof SyntaxError)) return error;
  const detail = describeError(error);
  return new CosignError("LEDGER_CORRUPT", `Cannot use ledger "${path}": ${detail}`, {
    cause: error,
  });
}

/** The error for a file that is a database, but no ledger of this version's. */
export function foreignLedger(path: string, why: string): CosignError {
  return new CosignError("LEDGER_FOREIGN", `Cannot use ledger "${path}": ${why}`, {
    hint: "Name another file by --ledger; this one was not touched",
  });
}
