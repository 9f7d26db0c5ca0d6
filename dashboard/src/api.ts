// Requests to the API server that served the page. A refusal is a problem (RFC 9457), which `Refused` carries.

export interface Problem {
  title: string;
  status: number;
  detail: string;
  errors: { field: string; detail: string }[];
  diagnostics?: unknown;
}

/** A request that the server refused, or that did not reach it (status 0). */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }

  get status(): number {
    return this.problem.status;
  }
}

const STORED = "wasmbed-token";

// A link may bring a token in its fragment, which browsers send to no server; it does not stay in the address.
const offered = /^#token=(.+)$/.exec(location.hash)?.[1];
if (offered !== undefined) {
  sessionStorage.setItem(STORED, decodeURIComponent(offered));
  history.replaceState(null, "", location.pathname + location.search);
}

let token: string | null = sessionStorage.getItem(STORED);
let rejected: (problem: Problem) => void = () => undefined;

export function currentToken(): string | null {
  return token;
}

/** Keep a token for this browser tab, or forget it. */
export function setToken(value: string | null): void {
  token = value;
  if (value === null) sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, value);
}

/** Call `listener` when the server does not accept the token any more. */
export function onRejected(listener: (problem: Problem) => void): void {
  rejected = listener;
}

export async function problemOf(answer: Response): Promise<Problem> {
  const text = await answer.text();
  try {
    const body = JSON.parse(text) as Partial<Problem>;
    return { title: answer.statusText, detail: text, errors: [], ...body, status: answer.status };
  } catch {
    return { title: answer.statusText, status: answer.status, detail: text || answer.statusText, errors: [] };
  }
}

/** Send a request with the token. Throws `Refused` unless the answer is good. */
export async function send(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  let answer: Response;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused({ title: "", status: 0, detail: String(error instanceof Error ? error.message : error), errors: [] });
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  if (problem.status === 401 && token !== null) rejected(problem);
  throw new Refused(problem);
}

/** Send `body` as JSON, and return the JSON of the answer. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const options: RequestInit = { method };
  const headers: Record<string, string> = {};
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  if (method === "POST") headers["Idempotency-Key"] = randomKey();
  const answer = await send(path, { ...options, headers });
  return (await answer.json()) as T;
}

export function get<T>(path: string): Promise<T> {
  return ask<T>("GET", path);
}

function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
