// A new application from a .wasm file.

import { useState, type FormEvent } from "react";
import { Button } from "react-aria-components";
import { ask } from "./api";
import { useNotices } from "./notices";
import { bytes } from "./format";
import { useOperations } from "./operations";
import { Field, Refusal, Window } from "./parts";
import { usePreferences, useTexts } from "./preferences";
import { TargetsField, type Targets } from "./targets";

export function CreateApplication({ open, close }: { open: boolean; close: () => void }) {
  const t = useTexts();
  return (
    <Window title={t.createApplication} open={open} close={close}>
      <Form close={close} />
    </Window>
  );
}

function Form({ close }: { close: () => void }) {
  const t = useTexts();
  const { language } = usePreferences();
  const { say } = useNotices();
  const { takes } = useOperations();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [file, setFile] = useState<File | null>(null);
  const [targets, setTargets] = useState<Targets | null>({ allDevices: true });
  const [stopped, setStopped] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!file || !targets) return;
    setBusy(true);
    try {
      const wasmBytes = base64(new Uint8Array(await file.arrayBuffer()));
      const body = { ...(name && { name }), ...(description && { description }), wasmBytes, targetDevices: targets, stopped };
      const { message } = await ask<{ message: string }>("POST", "/api/v1/applications", body);
      say(message);
      close();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Field label={t.name} help={t.nameHelp}>
        {(id, help) => <input id={id} aria-describedby={help} pattern="[a-z0-9]([\-a-z0-9]*[a-z0-9])?" maxLength={63} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      {takes("NewApplication", "description") && (
        <Field label={t.description}>{(id) => <input id={id} maxLength={250} value={description} onChange={(event) => setDescription(event.target.value)} />}</Field>
      )}
      <Field label={t.moduleFile} help={file ? bytes(file.size, language) : t.moduleHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="file" accept=".wasm,application/wasm" required onChange={(event) => setFile(event.target.files?.[0] ?? null)} />}
      </Field>
      <TargetsField targets={targets} change={setTargets} />
      <label className="check"><input type="checkbox" checked={stopped} onChange={(event) => setStopped(event.target.checked)} />{t.onlyCreate}</label>
      {error !== null && <Refusal error={error} />}
      <div className="buttons">
        <Button className="button" onPress={close}>{t.cancel}</Button>
        <Button type="submit" className="button primary" isDisabled={busy || !file || !targets}>{t.create}</Button>
      </div>
    </form>
  );
}

function base64(content: Uint8Array): string {
  let text = "";
  for (let at = 0; at < content.length; at += 0x8000) text += String.fromCharCode(...content.subarray(at, at + 0x8000));
  return btoa(text);
}
