// Small parts that all pages share.

import { useId, useState, type ReactNode } from "react";
import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { Refused } from "./api";
import { tally } from "./format";
import { useTexts } from "./preferences";
import { toneOf } from "./tone";

export function Page({ title, lead, actions, children }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <>
      <title>{`${title} · Wasmbed`}</title>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {actions && <div className="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Card({ title, aside, children, className = "" }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`card ${className}`}>
      {title && (
        <div className="card-head">
          <h2>{title}</h2>
          {aside}
        </div>
      )}
      {children}
    </section>
  );
}

export function Figure({ label, value, tone, note }: { label: string; value: ReactNode; tone?: string; note?: ReactNode }) {
  return (
    <div className="figure" data-tone={tone}>
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

export function Figures({ children }: { children: ReactNode }) {
  return <dl className="figures">{children}</dl>;
}

export function Status({ phase }: { phase: string }) {
  return (
    <span className="status" data-tone={toneOf(phase)}>
      {phase}
    </span>
  );
}

/** Numbers of phases: a bar, and a line with the word and the number of each. */
export function Distribution({ phases, order, label }: { phases: Iterable<string>; order: readonly string[]; label: string }) {
  const counts = tally(phases, order);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return (
    <div className="distribution">
      <div className="bar" role="img" aria-label={`${label}: ${counts.map(([phase, count]) => `${phase} ${count}`).join(", ")}`}>
        {counts.map(([phase, count]) => count > 0 && <i key={phase} data-tone={toneOf(phase)} style={{ flexGrow: count / total }} />)}
      </div>
      <dl>
        {counts.map(([phase, count]) => (
          <div key={phase} data-none={count === 0 || undefined}>
            <dt>
              <Status phase={phase} />
            </dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading() {
  const t = useTexts();
  return (
    <p className="loading" role="status">
      {t.loading}
    </p>
  );
}

/** A refusal for a reader: what happened, the fields that do not fit, and what it means. */
export function Refusal({ error }: { error: unknown }) {
  const t = useTexts();
  if (!(error instanceof Refused)) return <p className="refusal" role="alert">{String(error)}</p>;
  const { status, detail, errors } = error.problem;
  const meaning = t.meaning[status];
  return (
    <div className="refusal" role="alert">
      <p>
        <strong>{meaning ?? t.refused(status)}</strong>
      </p>
      <p>{detail}</p>
      {errors.length > 0 && (
        <ul>
          {errors.map((each, index) => (
            <li key={index}>
              <code>{each.field}</code> {each.detail}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function Field({ label, help, children }: { label: string; help?: ReactNode; children: (id: string, helpId: string | undefined) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, help ? `${id}-help` : undefined)}
      {help && <p className="help" id={`${id}-help`}>{help}</p>}
    </div>
  );
}

export function Window({ title, open, close, children, wide = false }: { title: string; open: boolean; close: () => void; children: ReactNode; wide?: boolean }) {
  const t = useTexts();
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && close()} isDismissable>
      <Modal className={wide ? "window wide" : "window"}>
        <Dialog>
          <div className="card-head">
            <Heading slot="title">{title}</Heading>
            <Button className="icon" aria-label={t.close} onPress={close}>
              ×
            </Button>
          </div>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const t = useTexts();
  const [copied, setCopied] = useState(false);
  return (
    <Button className="button small" aria-label={`${t.copy}: ${label}`} onPress={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
      {copied ? t.copied : t.copy}
    </Button>
  );
}
