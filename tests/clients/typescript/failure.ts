/** A failed call, read as users of grpc-js do: by its code, its details and its metadata. */

import { type ServiceError, status } from "@grpc/grpc-js";

import { BadRequest, ErrorInfo, QuotaFailure, RetryInfo } from "./gen/google/rpc/error_details.ts";
import { Status } from "./gen/google/rpc/status.ts";
import { equal } from "./world.ts";

export interface Failure {
  /** What `console.log` prints of it first. */
  text: string;
  info?: ErrorInfo;
  retry?: RetryInfo;
  fields: string[];
  limits: string[];
}

export const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && "code" in error && "metadata" in error;

/** What an error of a call carries in `google.rpc.Status`. */
export function details(error: ServiceError): Failure {
  const failure: Failure = { text: error.message, fields: [], limits: [] };
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  for (const { typeUrl, value } of bytes ? Status.decode(bytes as Buffer).details : []) {
    if (typeUrl.endsWith("/google.rpc.ErrorInfo")) failure.info = ErrorInfo.decode(value);
    if (typeUrl.endsWith("/google.rpc.RetryInfo")) failure.retry = RetryInfo.decode(value);
    if (typeUrl.endsWith("/google.rpc.BadRequest")) {
      failure.fields = BadRequest.decode(value).fieldViolations.map((violation) => violation.field);
    }
    if (typeUrl.endsWith("/google.rpc.QuotaFailure")) {
      failure.limits = QuotaFailure.decode(value).violations.map((violation) => violation.description);
    }
  }
  return failure;
}

/** The failure of a call that has to fail with this code. */
export async function fails(code: status, call: Promise<unknown>): Promise<Failure> {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    if (!isServiceError(error)) throw error;
    equal(`the code of '${error.message}'`, status[error.code], status[code]);
    return details(error);
  }
  throw new Error(`the call was answered, with ${JSON.stringify(answer)?.slice(0, 200)}`);
}
