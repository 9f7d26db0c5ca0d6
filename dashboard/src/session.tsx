// Sign-in by a ServiceAccount's token, and the stream of changes that lasts as long as it.

import { createContext, useContext, useEffect, useState, type FormEvent, type ReactNode } from "react";
import { Button } from "react-aria-components";
import { currentToken, get, onRejected, Refused, setToken } from "./api";
import { client, followPlatform } from "./live";
import { Field, Refusal } from "./parts";
import { useTexts } from "./preferences";
import { Choices } from "./choices";

const Leave = createContext<() => void>(() => undefined);

export const useSignOut = () => useContext(Leave);

export function Session({ children }: { children: ReactNode }) {
  const [signedIn, setSignedIn] = useState(currentToken() !== null);
  const [refusal, setRefusal] = useState<Refused | null>(null);
  useEffect(() => {
    onRejected((problem) => {
      setToken(null);
      setRefusal(new Refused(problem));
      setSignedIn(false);
    });
  }, []);
  useEffect(() => {
    if (!signedIn) return;
    const stop = new AbortController();
    void followPlatform(stop.signal);
    return () => {
      stop.abort();
      client.clear();
    };
  }, [signedIn]);
  const leave = () => {
    setToken(null);
    setRefusal(null);
    setSignedIn(false);
  };
  if (!signedIn) return <SignIn refusal={refusal} done={() => setSignedIn(true)} />;
  return <Leave.Provider value={leave}>{children}</Leave.Provider>;
}

function SignIn({ refusal, done }: { refusal: Refused | null; done: () => void }) {
  const t = useTexts();
  const [value, setValue] = useState("");
  const [error, setError] = useState<unknown>(refusal);
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setToken(value.trim());
    try {
      await get("/api/v1/status");
      done();
    } catch (caught) {
      setToken(null);
      setError(caught);
      setBusy(false);
    }
  }
  return (
    <main className="sign-in">
      <title>{`${t.signIn} · Wasmbed`}</title>
      <form className="card" onSubmit={(event) => void submit(event)}>
        <p className="brand">Wasmbed</p>
        <h1>{t.signIn}</h1>
        <p className="lead">{t.signInLead}</p>
        <Field label={t.token} help={<code>kubectl -n wasmbed create token operator</code>}>
          {(id, help) => (
            <input id={id} aria-describedby={help} type="password" autoComplete="off" spellCheck={false} required value={value} onChange={(event) => setValue(event.target.value)} />
          )}
        </Field>
        {error !== null && <Refusal error={error} />}
        <Button type="submit" className="button primary" isDisabled={busy || !value.trim()}>
          {t.signIn}
        </Button>
        <p className="help">{t.tokenKept}</p>
      </form>
      <Choices />
    </main>
  );
}
