// Commands that the server allows, and what they print.

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState, type FormEvent } from "react";
import { Button } from "react-aria-components";
import { ask, get, Refused } from "../api";
import { Card, Copy, Field, Loading, Page, Refusal } from "../parts";
import { useTexts } from "../preferences";
import type { Line } from "../screen";

const Screen = lazy(() => import("../screen"));

interface Command {
  name: string;
  category: string;
  command: string;
  /** With its arguments. */
  usage: string;
}

interface Output {
  success: boolean;
  output: string;
  error: string | null;
}

const MOST = 500;

export default function TerminalPage() {
  const t = useTexts();
  const { data, error } = useQuery({ queryKey: ["commands"], queryFn: async () => (await get<{ commands: Command[] }>("/api/v1/terminal/commands")).commands });
  const [lines, setLines] = useState<Line[]>([]);
  const [command, setCommand] = useState("");
  const [busy, setBusy] = useState(false);
  const key = useRef(0);
  const add = (kind: Line["kind"], text: string) => setLines((before) => [...before, { key: ++key.current, kind, text }].slice(-MOST));
  async function run(event: FormEvent) {
    event.preventDefault();
    add("command", command);
    setBusy(true);
    try {
      const answer = await ask<Output>("POST", "/api/v1/terminal/execute", { command });
      if (answer.output) add("output", answer.output.trimEnd());
      if (answer.error) add("error", answer.error);
    } catch (caught) {
      add("error", caught instanceof Refused ? caught.problem.detail : String(caught));
    } finally {
      setBusy(false);
    }
  }
  const categories = [...new Set((data ?? []).map((each) => each.category))];
  return (
    <Page title={t.places.terminal} lead={t.terminalLead}>
      {error ? <Card><Refusal error={error} /></Card> : !data ? <Loading /> : (
        <>
          <form className="controls" onSubmit={(event) => void run(event)}>
            <Field label={t.chooseCommand}>
              {(id) => (
                <select id={id} value="" onChange={(event) => setCommand(event.target.value)}>
                  <option value="">–</option>
                  {categories.map((category) => (
                    <optgroup key={category} label={category}>
                      {data.filter((each) => each.category === category).map((each) => <option key={each.name} value={each.command}>{each.name}</option>)}
                    </optgroup>
                  ))}
                </select>
              )}
            </Field>
            <Field label={t.command}>
              {(id) => <input id={id} title={data.find((each) => command.startsWith(each.command))?.usage} className="command" spellCheck={false} autoComplete="off" required value={command} onChange={(event) => setCommand(event.target.value)} />}
            </Field>
            <Button type="submit" className="button primary" isDisabled={busy || !command.trim()}>{t.execute}</Button>
            <Button className="button" onPress={() => setLines([])}>{t.clear}</Button>
            <Copy text={lines.map((each) => each.text).join("\n")} label={t.output} />
          </form>
          <Suspense fallback={<Loading />}><Screen label={t.output} lines={lines} /></Suspense>
        </>
      )}
    </Page>
  );
}
