// A question before something is removed.

import { Button } from "react-aria-components";
import { Window } from "./parts";
import { useTexts } from "./preferences";

export interface Question {
  title: string;
  text: string;
  verb: string;
  run: () => Promise<unknown>;
}

export function Confirm({ question, close }: { question: Question | null; close: () => void }) {
  const t = useTexts();
  return (
    <Window title={question?.title ?? ""} open={question !== null} close={close}>
      <p>{question?.text}</p>
      <div className="buttons">
        <Button className="button" onPress={close}>
          {t.cancel}
        </Button>
        <Button className="button danger" onPress={() => (close(), void question?.run())}>
          {question?.verb}
        </Button>
      </div>
    </Window>
  );
}
