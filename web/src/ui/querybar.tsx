/** Where queries are typed: colour, completion, and the place of an error under the text. */
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, moveCompletionSelection, selectedCompletion } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { setDiagnostics } from '@codemirror/lint'
import { EditorState, Prec, type Extension } from '@codemirror/state'
import { EditorView, keymap, placeholder as ghost, tooltips } from '@codemirror/view'
import { IconSearch } from '@tabler/icons-react'
import CodeMirror, { type ReactCodeMirrorRef } from '@uiw/react-codemirror'
import { useEffect, useMemo, useRef } from 'react'

import { Kbd } from './text'
import { completions, highlighting, type Language, type Suggested } from './querylang'

/** A refusal of the query, where it is. */
export interface QueryProblem {
  message: string
  /** Counted from 1. */
  line?: number | undefined
  column?: number | undefined
  hint?: string | undefined
}

interface QueryBarProps {
  value: string
  language: Language
  onChange: (value: string) => void
  /** Enter, or the button. */
  onRun: () => void
  /** What could stand at the caret. */
  complete?: (text: string, cursor: number, signal: AbortSignal) => Promise<readonly Suggested[]>
  problem?: QueryProblem | undefined
  placeholder?: string
  label?: string
  /** Draw the button. */
  withRun?: boolean
}

const theme = EditorView.theme({
  '&': { backgroundColor: 'transparent', color: 'var(--text-1)', fontSize: '12.5px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--font-mono)', padding: '6px 0', caretColor: 'var(--accent)', lineHeight: '19px' },
  '.cm-line': { padding: '0' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', overflow: 'auto', maxHeight: '220px', scrollbarWidth: 'none' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '1.5px' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--bg-4) !important' },
  '.cm-placeholder': { color: 'var(--text-3)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad) 1px', textUnderlineOffset: '3px' },
  '.cm-tooltip': { backgroundColor: 'var(--bg-2)', color: 'var(--text-1)', border: 'none', borderRadius: 'var(--r-3)', boxShadow: 'var(--shadow-pop)', padding: '4px', fontSize: '13px', zIndex: '400' },
  '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--font-mono) !important', fontSize: '12.5px', maxHeight: '290px !important', minWidth: '360px !important' },
  '.cm-tooltip-autocomplete > ul > li': { display: 'flex', alignItems: 'center', gap: '8px', height: '28px', padding: '0 8px !important', borderRadius: '5px', lineHeight: '28px !important' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-bg) !important', color: 'var(--text-1) !important' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '700' },
  '.cm-completionDetail': { marginLeft: 'auto', fontStyle: 'normal', fontFamily: 'var(--font-text)', fontSize: '12px', color: 'var(--text-3)' },
})

/** One line for KQL, more when the text has more; Enter runs, Shift+Enter breaks the line. */
export function QueryBar({ value, language, onChange, onRun, complete, problem, placeholder, label = 'Query', withRun = true }: QueryBarProps) {
  const editor = useRef<ReactCodeMirrorRef>(null)
  const run = useRef(onRun)
  const lookup = useRef(complete)
  useEffect(() => {
    run.current = onRun
    lookup.current = complete
  })

  const extensions = useMemo<Extension[]>(() => {
    const enter = (view: EditorView) => {
      if (selectedCompletion(view.state)) return acceptCompletion(view)
      run.current()
      return true
    }
    const take = (view: EditorView) => {
      if (completionStatus(view.state) !== 'active') return false
      if (!selectedCompletion(view.state)) moveCompletionSelection(true)(view)
      return acceptCompletion(view)
    }
    return [
      theme,
      history(),
      highlighting(language),
      EditorView.lineWrapping,
      EditorState.tabSize.of(2),
      closeBrackets(),
      tooltips({ position: 'fixed', parent: document.body }),
      autocompletion({
        override: [(context) => (lookup.current ? completions(lookup.current)(context) : null)],
        icons: false, interactionDelay: 0, activateOnTyping: true, activateOnTypingDelay: 60, defaultKeymap: false, selectOnOpen: false, tooltipClass: () => 'cm-complete',
      }),
      Prec.highest(keymap.of([{ key: 'Enter', run: enter }, { key: 'Mod-Enter', run: enter }, { key: 'Tab', run: take }])),
      keymap.of([...completionKeymap, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
      EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', autocapitalize: 'off', 'data-find': '' }),
      ...(placeholder === undefined ? [] : [ghost(placeholder)]),
    ]
  }, [language, label, placeholder])

  useEffect(() => {
    const view = editor.current?.view
    if (!view) return
    const { doc } = view.state
    if (!problem || problem.line === undefined || problem.line < 1 || problem.line > doc.lines) {
      view.dispatch(setDiagnostics(view.state, []))
      return
    }
    const line = doc.line(problem.line)
    const from = Math.min(line.to, line.from + Math.max(0, (problem.column ?? 1) - 1))
    const to = Math.min(line.to, Math.max(from + 1, from + (/^[\w.@*-]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 1)))
    view.dispatch(setDiagnostics(view.state, [{ from: Math.min(from, to), to, severity: 'error', message: problem.message }]))
  }, [problem, value])

  return (
    <div className="query-box">
      <div className={problem ? 'query wrong' : 'query'}>
        <IconSearch className="icon t3" size={14} aria-hidden />
        <div className="grow"><CodeMirror ref={editor} value={value} onChange={onChange} extensions={extensions} basicSetup={false} theme="none" indentWithTab={false} /></div>
        {withRun && <button type="button" className="btn primary sm" onClick={onRun}>Run <span className="only-wide"><Kbd>↵</Kbd></span></button>}
      </div>
      {problem && <Problem problem={problem} text={value} />}
    </div>
  )
}

/** The line, a caret under the place, and what would help. */
function Problem({ problem, text }: { problem: QueryProblem; text: string }) {
  const line = problem.line === undefined ? undefined : text.split('\n')[problem.line - 1]
  return (
    <div className="query-problem" role="alert">
      <div><b>{problem.line === undefined ? '' : `Line ${problem.line}, column ${problem.column ?? 1}: `}</b>{problem.message}{problem.hint !== undefined && <span className="t2"> {problem.hint}</span>}</div>
      {line !== undefined && <pre aria-hidden="true">{line}{'\n'}{' '.repeat(Math.max(0, (problem.column ?? 1) - 1))}^</pre>}
    </div>
  )
}
