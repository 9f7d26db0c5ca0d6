// The compile service: its templates, and what it says about code.

import { ask, get, Refused } from "./api";

export interface Template {
  name: string;
  summary: string;
  languages: string[];
}

export interface Source extends Template {
  language: string;
  code: string;
}

export interface Diagnostic {
  line: number | null;
  column: number | null;
  level?: string;
  message: string;
  suggestion?: string | null;
}

export interface Compiled {
  wasmBytes: string;
  size: number;
  message: string;
  sha256: string;
  imports: string[];
  boards: string[];
}

export async function templates(): Promise<Template[]> {
  return (await get<{ templates: Template[] }>("/api/v1/templates")).templates;
}

export function source(template: Template, language: string): Promise<Source> {
  return get(`/api/v1/templates/${template.name}?language=${language}`);
}

export function compile(code: string, language: string): Promise<Compiled> {
  return ask("POST", "/api/v1/compile", { code, language });
}

/** The compiler's messages, if a request was refused for them. */
export function diagnosticsOf(error: unknown): Diagnostic[] {
  const found = error instanceof Refused ? error.problem.diagnostics : undefined;
  return Array.isArray(found) ? (found as Diagnostic[]) : [];
}
