// The operations of this server, from its OpenAPI document: a button of what it cannot do is not shown.

import { useQuery } from "@tanstack/react-query";
import { get } from "./api";

interface Schema {
  enum?: string[];
  const?: string;
  anyOf?: Schema[];
  $ref?: string;
  properties?: Record<string, Schema>;
}

interface Document {
  info: { version: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operations {
  version: string;
  has: (method: string, path: string) => boolean;
  /** Whether a body has a field. */
  takes: (body: string, field: string) => boolean;
  /** The words that a body's field may have; empty if it takes any. */
  choices: (body: string, field: string) => string[];
}

export function useOperations(): Operations {
  const { data } = useQuery({ queryKey: ["openapi"], queryFn: () => get<Document>("/openapi.json") });
  const schemas = data?.components.schemas ?? {};
  const field = (body: string, name: string): Schema | undefined => schemas[body]?.properties?.[name];
  return {
    version: data?.info.version ?? "",
    has: (method, path) => data?.paths[path]?.[method.toLowerCase()] !== undefined,
    takes: (body, name) => field(body, name) !== undefined,
    choices: (body, name) => wordsOf(field(body, name), schemas),
  };
}

function wordsOf(schema: Schema | undefined, schemas: Record<string, Schema>): string[] {
  if (!schema) return [];
  if (schema.$ref) return wordsOf(schemas[schema.$ref.split("/").at(-1) ?? ""], schemas);
  if (schema.const !== undefined) return [schema.const];
  return schema.enum ?? (schema.anyOf ?? []).flatMap((each) => wordsOf(each, schemas));
}
