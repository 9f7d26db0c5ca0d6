// Guided deployment: a template, its code, the compiler, and the devices.

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Button } from "react-aria-components";
import { Link } from "react-router";
import { ask, Refused } from "../api";
import { compile, diagnosticsOf, source, templates, type Compiled, type Diagnostic, type Source } from "../compile";
import { bytes } from "../format";
import { useObjects } from "../live";
import { Card, Field, Loading, Page, Refusal, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Progress } from "../progress";
import { Steps } from "../steps";
import { TargetsField, type Targets } from "../targets";

const Editor = lazy(() => import("../editor"));

export default function Deploy() {
  const t = useTexts();
  const [step, setStep] = useState(0);
  const [template, setTemplate] = useState<Source | null>(null);
  const [code, setCode] = useState("");
  const [compiled, setCompiled] = useState<Compiled | null>(null);
  const [name, setName] = useState<string | null>(null);
  return (
    <Page title={t.places.deploy} lead={t.deployLead}>
      <Steps label={t.places.deploy} titles={t.deploySteps} at={step} />
      {step === 0 && <Choose chosen={(each) => (setTemplate(each), setCode(each.code), setStep(1))} />}
      {step === 1 && template && (
        <Code template={template} code={code} change={setCode} back={() => setStep(0)} done={(result) => (setCompiled(result), setStep(2))} />
      )}
      {step === 2 && template && compiled && <Send template={template} compiled={compiled} back={() => setStep(1)} done={(made) => (setName(made), setStep(3))} />}
      {step === 3 && name && <Watch name={name} again={() => setStep(0)} />}
    </Page>
  );
}

function Choose({ chosen }: { chosen: (template: Source) => void }) {
  const t = useTexts();
  const { data, error } = useQuery({ queryKey: ["templates"], queryFn: templates });
  const [failure, setFailure] = useState<unknown>(null);
  if (error) {
    return (
      <Card>
        {error instanceof Refused && error.status === 404 && <p>{t.noCompiler} <Link to="/applications?create">{t.createApplication}</Link></p>}
        <Refusal error={error} />
      </Card>
    );
  }
  if (!data) return <Loading />;
  return (
    <>
      {failure !== null && <Refusal error={failure} />}
      <ul className="tiles">
        {data.map((each) => (
          <li key={each.name} className="card">
            <h2>{each.name}</h2>
            <p className="quiet">{each.summary}</p>
            <div className="buttons start">
              {each.languages.map((language) => (
                <Button key={language} className="button small" aria-label={t.useTemplate(each.name, language)} onPress={() => void source(each, language).then(chosen, setFailure)}>{language}</Button>
              ))}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function Code({ template, code, change, back, done }: { template: Source; code: string; change: (code: string) => void; back: () => void; done: (compiled: Compiled) => void }) {
  const t = useTexts();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [diagnostics, setDiagnostics] = useState<Diagnostic[]>([]);
  const { language } = template;
  async function run() {
    setBusy(true);
    setError(null);
    try {
      done(await compile(code, language));
    } catch (caught) {
      setError(caught);
      setDiagnostics(diagnosticsOf(caught));
    } finally {
      setBusy(false);
    }
  }
  return (
    <Card title={template.name} aside={<span className="quiet">{language}</span>}>
      <Suspense fallback={<Loading />}>
        <Editor label={t.code} language={language} value={code} change={change} diagnostics={diagnostics} />
      </Suspense>
      {error !== null && <Refusal error={error} />}
      {diagnostics.length > 0 && (
        <ul className="diagnostics">
          {diagnostics.map((each, index) => (
            <li key={index}>
              {each.line && <code>{t.lineColumn(each.line, each.column ?? 1)}</code>} {each.message}
              {each.suggestion && <p className="quiet">{each.suggestion}</p>}
            </li>
          ))}
        </ul>
      )}
      <div className="buttons">
        <Button className="button" onPress={back}>{t.back}</Button>
        <Button className="button primary" isDisabled={busy || !code.trim()} onPress={() => void run()}>{busy ? t.compiling : t.compile}</Button>
      </div>
    </Card>
  );
}

function Send({ template, compiled, back, done }: { template: Source; compiled: Compiled; back: () => void; done: (name: string) => void }) {
  const t = useTexts();
  const { language } = usePreferences();
  const [name, setName] = useState(template.name);
  const [targets, setTargets] = useState<Targets | null>({ allDevices: true });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  async function send() {
    setBusy(true);
    try {
      const body = { name, wasmBytes: compiled.wasmBytes, targetDevices: targets };
      const { application } = await ask<{ application: { app_id: string } }>("POST", "/api/v1/applications", body);
      done(application.app_id);
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  }
  return (
    <Card title={t.compiled}>
      <dl className="facts">
        <dt>{t.size}</dt><dd>{bytes(compiled.size, language)}</dd>
        <dt>SHA-256</dt><dd><code>{compiled.sha256}</code></dd>
        <dt>{t.imports}</dt><dd>{compiled.imports.join(", ") || "–"}</dd>
        <dt>{t.fits}</dt><dd>{compiled.boards.join(", ") || "–"}</dd>
      </dl>
      <Field label={t.name} help={t.nameHelp}>
        {(id, help) => <input id={id} aria-describedby={help} required value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <TargetsField targets={targets} change={setTargets} />
      {error !== null && <Refusal error={error} />}
      <div className="buttons">
        <Button className="button" onPress={back}>{t.back}</Button>
        <Button className="button primary" isDisabled={busy || !targets || !name} onPress={() => void send()}>{t.deploy}</Button>
      </div>
    </Card>
  );
}

function Watch({ name, again }: { name: string; again: () => void }) {
  const t = useTexts();
  const application = useObjects("application")?.get(name);
  return (
    <Card title={name} aside={application && <Status phase={application.status} />}>
      {application ? <Progress application={application} /> : <Loading />}
      {application?.error && <p className="refusal">{application.error}</p>}
      <div className="buttons">
        <Button className="button" onPress={again}>{t.deployAnother}</Button>
        <Link className="button primary" to={`/applications/${name}`}>{t.showApplication}</Link>
      </div>
    </Card>
  );
}
