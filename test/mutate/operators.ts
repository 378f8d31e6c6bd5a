/**
 * What is changed of a program, one piece at a time: conditions negated and removed, comparisons moved by one, statements
 * dropped, constants changed. What cannot matter is left alone: texts of errors and of the log, and invariants, which no
 * run may ever see broken.
 */
import {
  type BinaryExpression,
  type CallExpression,
  type CaseBlock,
  type Expression,
  type IfStatement,
  isArrowFunction,
  isBinaryExpression,
  isBlock,
  isBreakStatement,
  isCallExpression,
  isCaseClause,
  isConditionalExpression,
  isContinueStatement,
  isDefaultClause,
  isExpressionStatement,
  isFunctionDeclaration,
  isFunctionExpression,
  isGetAccessorDeclaration,
  isIdentifier,
  isIfStatement,
  isImportDeclaration,
  isMethodDeclaration,
  isNumericLiteral,
  isObjectLiteralExpression,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isReturnStatement,
  isShorthandPropertyAssignment,
  isSpreadAssignment,
  isStringLiteral,
  isTemplateExpression,
  isThrowStatement,
  isVariableDeclaration,
  isWhileStatement,
  isYieldExpression,
  type Node,
  type NumericLiteral,
  type ObjectLiteralExpression,
  type SourceFile,
  type Statement,
  SyntaxKind,
} from 'typescript/unstable/ast';

export type Operator =
  | 'negated'
  | 'always'
  | 'never'
  | 'moved by one'
  | 'operand dropped'
  | 'default dropped'
  | 'statement dropped'
  | 'property dropped'
  | 'constant changed'
  | 'arithmetic'
  | 'swapped';

/** One change: the text from `start` to `end` becomes `text`. */
export type Edit = {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly operator: Operator;
  /** The function around it; '' where there is none. */
  readonly where: string;
  /** The piece that tells a reader what changes, before and after. */
  readonly was: string;
  readonly becomes: string;
};

/** Comparisons, what they become where they are negated, and where they are moved by one. */
const COMPARISONS: { readonly [operator: string]: { readonly negated: string; readonly moved?: string } } = {
  '===': { negated: '!==' },
  '!==': { negated: '===' },
  '<': { negated: '>=', moved: '<=' },
  '<=': { negated: '>', moved: '<' },
  '>': { negated: '<=', moved: '>=' },
  '>=': { negated: '<', moved: '>' },
};
const ARITHMETIC: { readonly [operator: string]: string } = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '+=': '-=',
  '-=': '+=',
};
const SWAPPED: ReadonlyMap<string, string> = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['min', 'max'],
  ['max', 'min'],
]);
/** Calls that say what must hold: no run sees them fail, so nothing can tell whether they are there. */
const INVARIANTS = ['invariant', 'unreachable'];
/** Numbers up to here become one more, larger ones zero: the exact value of a bound is a matter of taste, that it counts is not. */
const COUNTED_MAX = 2;

/** So much is shown before and after a constant. */
const CONTEXT_CHARS = 40;

/** All changes of one file, in the order of the text. */
export function editsOf(tree: SourceFile): Edit[] {
  const found: Edit[] = [];
  const visit = (node: Node, where: string): void => {
    if (isLeftAlone(node)) return;
    for (const edit of changesOf(node, tree)) found.push({ ...edit, where });
    const inside = nameOf(node) ?? where;
    // Of `present(value, what)` the second is the text of an error.
    const last = isCallExpression(node) && isCalled(node, 'present') ? node.arguments[1] : undefined;
    node.forEachChild((child) => {
      if (child !== last) visit(child, inside);
    });
  };
  visit(tree, '');
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

type Change = Omit<Edit, 'where'>;

function isLeftAlone(node: Node): boolean {
  if (isImportDeclaration(node) || isTemplateExpression(node) || isStringLiteral(node)) return true;
  const call = isExpressionStatement(node) ? node.expression : node;
  if (!isCallExpression(call)) return false;
  return INVARIANTS.some((name) => isCalled(call, name)) || call.arguments.some(isLogEffect);
}

/** `{ kind: 'log', … }` */
function isLogEffect(node: Node): boolean {
  if (!isObjectLiteralExpression(node)) return false;
  return node.properties.some(
    (property) =>
      isPropertyAssignment(property) &&
      property.name.getText() === 'kind' &&
      isStringLiteral(property.initializer) &&
      property.initializer.text === 'log',
  );
}

function isCalled({ expression }: CallExpression, name: string): boolean {
  return isIdentifier(expression) && expression.text === name;
}

/** What a node is called, where it is a function. */
function nameOf(node: Node): string | undefined {
  if (isFunctionDeclaration(node) || isMethodDeclaration(node) || isGetAccessorDeclaration(node))
    return node.name?.getText() ?? '';
  if (isVariableDeclaration(node)) {
    const { initializer } = node;
    if (initializer === undefined) return undefined;
    if (isArrowFunction(initializer) || isFunctionExpression(initializer)) return node.name.getText();
  }
  return undefined;
}

function changesOf(node: Node, tree: SourceFile): Change[] {
  if (isIfStatement(node))
    return ofCondition(node.expression, tree, isRethrow(node) ? ['always'] : ['always', 'never']);
  if (isConditionalExpression(node)) return ofCondition(node.condition, tree, ['always', 'never']);
  if (isWhileStatement(node)) return ofCondition(node.expression, tree, ['never']);
  if (isBinaryExpression(node)) return ofBinary(node, tree);
  if (isNumericLiteral(node)) return ofNumber(node, tree);
  if (node.kind === SyntaxKind.TrueKeyword) return [constant(node, 'false', tree)];
  if (node.kind === SyntaxKind.FalseKeyword) return [constant(node, 'true', tree)];
  if (isPrefixUnaryExpression(node)) return ofPrefix(node.operator, node.operand, node, tree);
  if (isCallExpression(node)) return ofCall(node, tree);
  if (isObjectLiteralExpression(node)) return ofUpdatedCopy(node, tree);
  if (isDroppable(node)) return ofStatement(node, tree);
  return [];
}

/** `if (…) throw error;`: lets through what nobody expects, as an invariant does. */
function isRethrow({ thenStatement }: IfStatement): boolean {
  const { expression } = isThrowStatement(thenStatement) ? thenStatement : { expression: undefined };
  return expression !== undefined && isIdentifier(expression);
}

/** A condition as a whole: what it compares is negated where the comparison itself is visited. */
function ofCondition(
  condition: Expression,
  tree: SourceFile,
  kinds: readonly ('always' | 'never')[],
): Change[] {
  const changes = kinds.map((kind) => replaced(condition, kind === 'always' ? 'true' : 'false', kind, tree));
  const isCompared = isBinaryExpression(condition) && condition.operatorToken.getText(tree) in COMPARISONS;
  const isNegation = isPrefixUnaryExpression(condition);
  if (isCompared || isNegation || isWhileStatement(condition.parent)) return changes;
  return [replaced(condition, `!(${condition.getText(tree)})`, 'negated', tree), ...changes];
}

function ofBinary(node: BinaryExpression, tree: SourceFile): Change[] {
  const { left, operatorToken, right } = node;
  const operator = operatorToken.getText(tree);
  const comparison = COMPARISONS[operator];
  const changed = (to: string, kind: Operator): Change => {
    const [start, end] = spanOf(operatorToken, tree);
    const becomes = `${left.getText(tree)} ${to} ${right.getText(tree)}`;
    return {
      start,
      end,
      text: to,
      operator: kind,
      was: oneLine(node.getText(tree)),
      becomes: oneLine(becomes),
    };
  };
  if (comparison !== undefined) {
    const { negated, moved } = comparison;
    return [changed(negated, 'negated'), ...(moved === undefined ? [] : [changed(moved, 'moved by one')])];
  }
  if (operator === '&&' || operator === '||') {
    return [
      replaced(node, left.getText(tree), 'operand dropped', tree),
      replaced(node, right.getText(tree), 'operand dropped', tree),
    ];
  }
  if (operator === '??') {
    return [
      replaced(node, left.getText(tree), 'default dropped', tree),
      replaced(node, right.getText(tree), 'operand dropped', tree),
    ];
  }
  const arithmetic = ARITHMETIC[operator];
  const isText = [left, right].some((side) => isStringLiteral(side) || isTemplateExpression(side));
  return arithmetic === undefined || isText ? [] : [changed(arithmetic, 'arithmetic')];
}

function ofNumber(node: NumericLiteral, tree: SourceFile): Change[] {
  const value = Number(node.getText(tree).replaceAll('_', ''));
  return [constant(node, String(value <= COUNTED_MAX ? value + 1 : 0), tree)];
}

/** Shown with what stands around it: a number alone says nothing. */
function constant(node: Node, text: string, tree: SourceFile): Change {
  const [start, end] = spanOf(node, tree);
  const [first, last] = spanOf(node.parent, tree);
  const before = tree.text.slice(Math.max(first, start - CONTEXT_CHARS), start);
  const after = tree.text.slice(end, Math.min(last, end + CONTEXT_CHARS));
  const was = oneLine(before + tree.text.slice(start, end) + after);
  return { start, end, text, operator: 'constant changed', was, becomes: oneLine(before + text + after) };
}

function ofPrefix(operator: SyntaxKind, operand: Expression, node: Node, tree: SourceFile): Change[] {
  if (operator === SyntaxKind.ExclamationToken)
    return [replaced(node, operand.getText(tree), 'negated', tree)];
  return [];
}

function ofCall({ expression }: CallExpression, tree: SourceFile): Change[] {
  if (!isPropertyAccessExpression(expression)) return [];
  const swapped = SWAPPED.get(expression.name.getText(tree));
  if (swapped === undefined) return [];
  const object = expression.expression.getText(tree);
  return [replaced(expression, `${object}.${swapped}`, 'swapped', tree)];
}

/** `{ ...before, changed }`: what if it had not changed? */
function ofUpdatedCopy(node: ObjectLiteralExpression, tree: SourceFile): Change[] {
  const { properties } = node;
  const first = properties.findIndex((property) => isSpreadAssignment(property));
  if (first < 0) return [];
  return properties.slice(first + 1).flatMap((property) => {
    if (!isPropertyAssignment(property) && !isShorthandPropertyAssignment(property)) return [];
    return [replaced(property, '', 'property dropped', tree, isLast(property, properties) ? 0 : 1)];
  });
}

function isLast(node: Node, nodes: readonly Node[]): boolean {
  return nodes.at(-1) === node;
}

/** Statements that something else does not stand on: no declarations, no loops, and no values that are returned. */
function isDroppable(node: Node): node is Statement {
  if (isExpressionStatement(node))
    return !isYieldExpression(node.expression) || isDelegating(node.expression);
  if (isReturnStatement(node)) return node.expression === undefined;
  return isThrowStatement(node) || isContinueStatement(node) || isBreakStatement(node);
}

/** `yield*` runs something; a bare `yield` only lets others have the processor. */
function isDelegating(node: Node): boolean {
  return isYieldExpression(node) && node.asteriskToken !== undefined;
}

function ofStatement(node: Statement, tree: SourceFile): Change[] {
  return isDroppedOtherwise(node) || isLastAnyway(node)
    ? []
    : [replaced(node, ';', 'statement dropped', tree)];
}

/** The only statement of an `if` is dropped where its condition never holds. */
function isDroppedOtherwise({ parent }: Statement): boolean {
  const holder = isBlock(parent) && parent.statements.length === 1 ? parent.parent : parent;
  return isIfStatement(holder) && holder.elseStatement === undefined;
}

/** A `break` or `return` behind which nothing would have run. */
function isLastAnyway(node: Statement): boolean {
  const { parent } = node;
  if (isReturnStatement(node))
    return isBlock(parent) && parent.statements.at(-1) === node && isFunction(parent.parent);
  if (!isBreakStatement(node)) return false;
  const clause = isBlock(parent) ? parent.parent : parent;
  if (!isCaseClause(clause) && !isDefaultClause(clause)) return false;
  const { clauses } = clause.parent as CaseBlock;
  const next = clauses[clauses.indexOf(clause) + 1];
  return next === undefined || next.statements.every((statement) => isBreakStatement(statement));
}

function isFunction(node: Node): boolean {
  return isFunctionDeclaration(node) || isMethodDeclaration(node) || isArrowFunction(node);
}

/** `commas` after it go too. */
function replaced(node: Node, text: string, operator: Operator, tree: SourceFile, commas = 0): Change {
  const [start, end] = spanOf(node, tree);
  const was = oneLine(node.getText(tree));
  return { start, end: end + commas, text, operator, was, becomes: oneLine(text) };
}

function spanOf(node: Node, tree: SourceFile): [start: number, end: number] {
  return [node.getStart(tree), node.end];
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
