// The actions of an application.

import { ask } from "./api";
import type { Question } from "./confirm";
import type { Action } from "./menu";
import { useNotices } from "./notices";
import { useTexts } from "./preferences";
import type { Application } from "./types";

interface Done {
  message: string;
}

export function useApplicationActions(confirm: (question: Question) => void): (application: Application) => Action[] {
  const t = useTexts();
  const { act } = useNotices();
  return (application) => {
    const path = `/api/v1/applications/${application.app_id}`;
    const post = (verb: string) => void act(async () => (await ask<Done>("POST", `${path}/${verb}`, {})).message);
    const remove = () => act(async () => (await ask<Done>("DELETE", path)).message);
    return [
      application.stopped
        ? { key: "deploy", title: t.deploy, run: () => post("deploy") }
        : { key: "stop", title: t.stop, run: () => post("stop") },
      {
        key: "delete", title: t.delete, danger: true,
        run: () => confirm({ title: t.deleteTitle(application.name), text: t.deleteApplicationText, verb: t.delete, run: remove }),
      },
    ];
  };
}
