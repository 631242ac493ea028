/** The shells that can be helped. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

/** The word that asks this program for completions; the scripts say it. */
export const COMPLETE_WORD = "__complete";

/**
 * The script that completes command lines in a shell. It asks the program each time, which answers
 * with a line a word, `WORD<tab>MEANING`, and a last line `:nothing`, `:files` or `:directories`.
 *
 * @param program What is typed to start it.
 * @param withMeanings Whether shells that can show what the words mean do so.
 */
export function completionScript(
  shell: (typeof SHELLS)[number],
  program: string,
  withMeanings: boolean,
): string {
  const name = `_${program.replaceAll(/[^A-Za-z0-9]/g, "_")}_complete`;
  switch (shell) {
    case "bash":
      return bash(program, name);
    case "zsh":
      return zsh(program, name, withMeanings);
    case "fish":
      return fish(program, name, withMeanings);
    case "powershell":
      return powershell(program, withMeanings);
  }
}

function bash(program: string, name: string): string {
  return `# bash completion for ${program}: source <(${program} completion bash)
${name}() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() word answer mode=:nothing last cut IFS
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=\${words[\${#words[@]} - 1]}
  COMPREPLY=()
  # bash completes from the last of these characters on only
  cut=\${word%"\${word##*[=:]}"}
  IFS=$'\\n'
  for answer in $("\${words[0]}" ${COMPLETE_WORD} "\${words[@]:1}" 2>/dev/null); do
    case $answer in
      :*) mode=$answer ;;
      *) answer=\${answer%%$'\\t'*}; COMPREPLY+=("\${answer#"$cut"}") ;;
    esac
  done
  [[ $word == --*=* ]] && last=\${word#*=} || last=$word
  case $mode in
    :files) COMPREPLY+=($(compgen -f -- "$last")) ;;
    :directories) COMPREPLY+=($(compgen -d -- "$last")) ;;
    *) return ;;
  esac
  type compopt &>/dev/null && compopt -o filenames
}
complete -F ${name} ${program}
`;
}

function zsh(program: string, name: string, withMeanings: boolean): string {
  const add = withMeanings
    ? `      *) candidates+=("\${\${answer%%$'\\t'*}//:/\\\\:}:\${answer#*$'\\t'}") ;;`
    : `      *) candidates+=("\${\${answer%%$'\\t'*}//:/\\\\:}") ;;`;
  return `#compdef ${program}
# zsh completion for ${program}: source <(${program} completion zsh)
${name}() {
  local -a answers candidates
  local answer mode=:nothing
  answers=("\${(@f)$("\${words[1]}" ${COMPLETE_WORD} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for answer in "\${(@)answers}"; do
    case $answer in
      '') ;;
      :*) mode=$answer ;;
${add}
    esac
  done
  (( \${#candidates} )) && _describe -t words '${program}' candidates
  [[ $PREFIX == --*=* ]] && compset -P '*='
  case $mode in
    :files) _files ;;
    :directories) _files -/ ;;
  esac
}
if [[ \${funcstack[1]} == ${name} || \${funcstack[1]} == _${program} ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`;
}

function fish(program: string, name: string, withMeanings: boolean): string {
  const show = withMeanings ? "echo $answer" : "string split -f 1 \\t -- $answer";
  return `# fish completion for ${program}: ${program} completion fish | source
function _${name}
  set -l tokens (commandline -opc)
  set -l word (commandline -ct)
  set -l value (string replace -r -- '^--[^=]*=' '' "$word")
  set -l prefix (string match -r -- '^--[^=]*=' "$word")
  for answer in ($tokens[1] ${COMPLETE_WORD} $tokens[2..-1] "$word" 2>/dev/null)
    switch $answer
      case :files
        for path in (__fish_complete_path "$value")
          echo "$prefix$path"
        end
      case :directories
        for path in (__fish_complete_directories "$value" "")
          echo "$prefix$path"
        end
      case ':*'
      case '*'
        ${show}
    end
  end
end
complete -c ${program} -f -a '(_${name})'
`;
}

function powershell(program: string, withMeanings: boolean): string {
  const meaning = withMeanings ? "if ($parts[1]) { $parts[1] } else { $parts[0] }" : "$parts[0]";
  return `# PowerShell completion for ${program}: ${program} completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName '${program}' -ScriptBlock {
  param($word, $line, $cursor)
  $words = @($line.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursor } | ForEach-Object { "$_" })
  $before = @($words | Select-Object -Skip 1)
  if ($word -ne '' -and $before.Count -gt 0) { $before = @($before | Select-Object -SkipLast 1) }
  # An empty argument must be quoted to arrive.
  $last = if ($word -eq '' -and $PSVersionTable.PSVersion.Major -lt 7) { '""' } else { $word }
  $answers = @(& $words[0] ${COMPLETE_WORD} @before $last 2>$null)
  if ($answers -contains ':files' -or $answers -contains ':directories') {
    [System.Management.Automation.CompletionCompleters]::CompleteFilename($word)
  }
  foreach ($answer in $answers) {
    if ($answer.StartsWith(':')) { continue }
    $parts = $answer -split "\`t", 2
    $meaning = ${meaning}
    [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', $meaning)
  }
}
`;
}
