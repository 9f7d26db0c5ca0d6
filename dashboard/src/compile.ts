// The compile service: its templates, and what it says about code.

import { ask, get, Refused } from "./api";

export interface Template {
  name: string;
  title?: string;
  description?: string;
  language?: string;
  level?: string;
  code?: string;
}

export interface Diagnostic {
  line: number | null;
  column: number | null;
  severity?: string;
  message: string;
  suggestion?: string | null;
}

export interface Compiled {
  wasmBytes: string;
  size: number;
  message: string;
  sha256?: string;
  imports?: string[];
  boards?: string[] | Record<string, unknown>;
  diagnostics?: Diagnostic[];
}

export async function templates(): Promise<Template[]> {
  return (await get<{ templates: Template[] }>("/api/v1/templates")).templates;
}

/** The template with its code, which a list may leave out. */
export async function whole(template: Template): Promise<Template> {
  if (template.code !== undefined) return template;
  return { ...template, ...(await get<Template>(`/api/v1/templates/${template.name}`)) };
}

export function compile(code: string, language: string): Promise<Compiled> {
  return ask("POST", "/api/v1/compile", { code, language });
}

/** What the compiler said, if that is why a request was refused. */
export function diagnosticsOf(error: unknown): Diagnostic[] {
  const found = error instanceof Refused ? error.problem.diagnostics : undefined;
  return Array.isArray(found) ? (found as Diagnostic[]) : [];
}
