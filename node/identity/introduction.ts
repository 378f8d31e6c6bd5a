/**
 * A node and its keeper: asks whether its cluster may be founded, introduces it, binds it, tells where this node is reached, and
 * knows whether it may serve (docs/architecture.md, "Identity").
 *
 * It owns no socket and no timer: they come in, so that a simulation runs this very code.
 */

import { present } from '../../src/base/assert.ts';
import { FatalError } from '../../src/base/errors.ts';
import type { Claim, KeeperRef, KnownLife, Standing } from '../../src/identity/founding.ts';
import { isSameLife } from '../../src/identity/founding.ts';
import type { AdminCommand } from '../../src/protocol/admin/admin.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import { encodeUpdate } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { replacedBy } from '../paxos/members-state.ts';
import { type Noted, Notes } from '../serve/notes.ts';
import {
  addressOf,
  claimedBy,
  inNoNursery,
  introductionOf,
  livedAlone,
  livesOf,
  meanwhile,
  neverHeard,
  placeOf,
  sameLives,
  strangerIs,
  untold,
} from './announcement.ts';
import { Callers, REFUSAL_SHOWN_MS } from './callers.ts';
import { ClaimWait } from './claim-wait.ts';
import type { IntroductionOptions, KeeperLink, Question, Word } from './contract.ts';
import { wouldFound } from './empty-home.ts';
import { OverForEver } from './over.ts';
import { Succession } from './succession.ts';

/** Pause between two questions to the keeper while something is open (ms). */
const ASK_SOON_MS = 250;
/** A pause is this much shorter or longer, at random: nodes that start together do not ask together. */
const PAUSE_SPREAD = 0.2;
/** How long a node that is refused goes on before it stops (ms): what it said last has left it by then. */
const LAST_WORD_MS = 500;

/** One node's dealings with its keeper, from start to end of its process. */
export class Introduction {
  readonly #options: IntroductionOptions;
  readonly #notes: Notes;
  readonly succession: Succession;
  /** Where this is a keeper: who has introduced itself to it. */
  readonly callers: Callers;
  #link: { readonly to: string; readonly link: KeeperLink } | null = null;
  #isAsking = false;
  #isBinding = false;
  #isClosed = false;
  #nextMs = 0;
  #nextWordMs = 0;
  #wasMaster = false;
  #mayFound = false;
  #serves: boolean;
  /** What the own keeper last said. */
  #standing: Standing | null = null;
  /** This node's address and the list of members are at the keeper. */
  #isSettled = false;
  readonly #claimWait: ClaimWait;
  #refused = '';
  /** It is about to stop. */
  #leaving: { readonly why: string; readonly founding: string; readonly atMs: number } | null = null;

  constructor(options: IntroductionOptions) {
    this.#options = options;
    this.#notes = new Notes(options.logger, options.nowMs);
    this.succession = new Succession(options, this.#notes);
    this.callers = new Callers(this.#notes);
    this.#serves = options.withoutKeeper;
    this.#claimWait = new ClaimWait(options.restMs * (1 + PAUSE_SPREAD));
  }

  /** The founding of this node's cluster; '' before. */
  get founding(): string {
    const { founded, members } = this.#options.driver.replica;
    return founded === null ? '' : members.cluster;
  }

  /** Foundings that this one took the place of. */
  get replaces(): readonly string[] {
    return replacedBy(this.#options.driver.replica.members);
  }

  get label(): string {
    return this.#options.label;
  }

  /** Founding of the keeper that the cluster is bound to; '' before. */
  get keeper(): string {
    return this.#options.driver.machine.bound?.keeper.founding ?? '';
  }

  /** What an operator should know of. */
  get notes(): string[] {
    return this.#notes.all;
  }

  /** The same with what each is about, and since when. */
  get noted(): Noted[] {
    return this.#notes.entries;
  }

  /** For what this node waits before it serves; null where it serves. Not before the keeper, or a peer that serves, has said that it may. */
  get waits(): string | null {
    if (this.succession.why !== null) return this.succession.why;
    if (this.#serves) return null;
    const { bound } = this.#options.driver.machine;
    if (bound === null || bound.mine === bound.keeper.founding) return null;
    return `this node waits until keeper ${bound.keeper.cluster} says that its cluster is in force`;
  }

  /** The same as an answer to whoever asks for keys. */
  get refusal(): Answer | null {
    const { waits } = this;
    return waits === null ? null : failure('GOING_DOWN', `${waits}; not executed`);
  }

  /** To be called often: asks, tells and proposes what is due. */
  tick(): void {
    if (this.#isClosed) return;
    const { driver, nowMs } = this.#options;
    const isMaster = driver.mayRead();
    if ((isMaster && !this.#wasMaster) || driver.apart.isOpen) this.#nextMs = 0; // a new master asks at once
    this.#wasMaster = isMaster;
    this.#speak();
    if (this.#isLeaving()) return;
    if (this.#isKeeper) this.#permit();
    if (this.place === null) {
      this.#liveAlone();
      return;
    }
    this.succession.tick(this.founding, () => this.linkTo(present(this.place, 'keeper')));
    if (isMaster) this.#bindWhereDue();
    if (!this.#isAsking && nowMs() >= this.#nextMs) this.#ask();
  }

  /** A peer of the same founding has spoken. */
  heard({ founding, serves, refused }: Word): void {
    if (founding === '' || founding !== this.founding) return;
    if (serves) this.#serve('a peer that serves');
    if (refused !== '' && this.#options.driver.machine.bound === null) this.#refuse(refused);
  }

  close(): void {
    this.#isClosed = true;
    this.#link?.link.close();
  }

  /** By its file this cluster is its own keeper. */
  get #isKeeper(): boolean {
    const { nursery, clusterId } = this.#options;
    return nursery?.cluster === clusterId;
  }

  /** Where the keeper is: as the file says, unless it names another one than the cluster is bound to. */
  get place(): Omit<KeeperRef, 'founding'> | null {
    const { nursery, driver } = this.#options;
    const { bound } = driver.machine;
    if (bound === null) return nursery;
    if (nursery?.cluster === bound.keeper.cluster) {
      this.#notes.clear('file');
      return nursery;
    }
    const { cluster, founding, nodes } = bound.keeper;
    const file = nursery === null ? 'has no [nursery]' : `names ${nursery.cluster} under [nursery]`;
    this.#notes.set(
      'file',
      `this cluster belongs to keeper ${cluster}, founding ${founding}, for ever; its file ${file}, which is not followed`,
    );
    return { cluster, nodes };
  }

  #liveAlone(): void {
    this.#permit();
    this.#serves = true;
  }

  #permit(): void {
    if (this.#mayFound) return;
    this.#mayFound = true;
    this.#options.driver.submit({ kind: 'mayFound' });
  }

  #ask(): void {
    const { clusterId } = this.#options;
    const { founding, keeper } = this;
    this.#question(
      { kind: 'query', query: { kind: 'standing', cluster: clusterId, founding, keeper } },
      (standing) => {
        if (founding !== this.founding || keeper !== this.keeper) this.#rest(ASK_SOON_MS);
        else if (this.succession.why === null) this.#judge(standing);
        else this.#whileUnconfirmed(standing);
      },
    );
  }

  /** Its master asks for its ranges; that it is over each of its nodes hears, and nothing else. */
  #whileUnconfirmed({ keeper, verdict, why }: Standing): void {
    if (verdict === 'dead' && keeper.founding === this.keeper) this.#over(why);
    else this.#rest(ASK_SOON_MS);
  }

  /** Asks the keeper; `done` hears what it says of this founding. Whatever else comes is noted, and asked again. */
  #question(question: Question, done: (standing: Standing) => void): void {
    const place = this.place;
    if (place === null) return;
    this.#isAsking = true;
    this.linkTo(place).ask(question, (answer) => {
      this.#isAsking = false;
      if (this.#isClosed) return;
      if (typeof answer !== 'string' && answer.kind === 'standing') {
        this.#notes.clear('silent');
        done(answer);
        return;
      }
      const why =
        typeof answer === 'string' ? answer : 'why' in answer ? answer.why : `it answers ${answer.kind}`;
      if (typeof answer === 'string') this.#noteSilence(place.cluster, why);
      else this.#notes.set('silent', `keeper ${place.cluster}: ${why}`);
      this.#rest(ASK_SOON_MS);
    });
  }

  #noteSilence(keeper: string, why: string): void {
    if (this.succession.why !== null) return; // its master says so
    const waits = meanwhile({
      mayNotFound: this.founding === '' && !this.#mayFound,
      servesNothing: this.refusal !== null,
    });
    const text = `keeper ${keeper} does not answer (${why}): ${waits}`;
    this.#notes.set('silent', text, Number.POSITIVE_INFINITY, waits);
  }

  /** The way to it: one, until it is another place. */
  linkTo(place: Omit<KeeperRef, 'founding'>): KeeperLink {
    const to = JSON.stringify(place);
    if (this.#link?.to === to) return this.#link.link;
    this.#link?.link.close();
    const link = this.#options.connect(place);
    this.#link = { to, link };
    return link;
  }

  #rest(ms: number): void {
    const { nowMs, random } = this.#options;
    this.#nextMs = nowMs() + ms * (1 - PAUSE_SPREAD + 2 * PAUSE_SPREAD * random());
  }

  /** Pause before it asks again what others decide (ms): who serves nothing before its keeper has spoken does not wait long. */
  get #pauseMs(): number {
    return this.refusal === null ? this.#options.restMs : ASK_SOON_MS;
  }

  #judge(standing: Standing): void {
    this.#rest(ASK_SOON_MS);
    const { verdict, keeper, why } = standing;
    if (verdict === 'notKeeper') {
      this.#notes.set('keeper', `cluster ${this.place?.cluster}: ${why}`);
      return;
    }
    if (this.keeper !== '' && keeper.founding !== this.keeper) {
      this.#meetStranger(standing);
      return;
    }
    this.#notes.clear('keeper');
    switch (verdict) {
      case 'inForce':
        this.#inForce(standing);
        return;
      case 'free':
        if (this.founding === '') this.#permit();
        else if (this.#options.driver.mayRead()) this.#introduce();
        return;
      case 'unfit':
        this.#unfit(standing);
        return;
      default: // taken, dead
        this.#refusedBy(standing);
    }
  }

  /** Another keeper is heard by nobody; but it is told whose this cluster is, so that it begins no map of its own. */
  #meetStranger({ keeper, verdict }: Standing): void {
    this.#notes.set('keeper', strangerIs(keeper, this.keeper));
    this.#rest(this.#pauseMs); // its own may be behind another of these addresses
    if (verdict === 'foreign' && this.#options.driver.mayRead()) {
      this.#question({ kind: 'command', command: this.#introduction() }, () => this.#rest(this.#pauseMs));
    }
  }

  #inForce(standing: Standing): void {
    this.#standing = standing;
    this.#notes.clear('standing');
    const { driver, node, incarnation, label } = this.#options;
    const apart = driver.apart.settle();
    if (apart !== '') this.#notes.set('apart', apart, REFUSAL_SHOWN_MS);
    const self = standing.members.find((life) => isSameLife(life, { node, incarnation }));
    const presence = standing.presences.find((each) => each.node === node);
    const isHere = self !== undefined && this.#isHere(self);
    if (self !== undefined && presence !== undefined && !isHere) {
      this.#claim(self, presence.claim);
      return;
    }
    this.#claimWait.restart();
    this.#notes.clear('address');
    this.#serve(`keeper ${standing.keeper.cluster}`);
    if (driver.mayRead() && !sameLives(standing.members, livesOf(this.#options, standing.members))) {
      this.#introduce();
      return;
    }
    const claim = presence?.claim?.refused === false ? presence.claim : null;
    if (claim !== null) this.#notes.set('twin', claimedBy(claim), REFUSAL_SHOWN_MS);
    const isTold = isHere && self.label === label && presence !== undefined && claim === null;
    this.#isSettled = (isTold || self === undefined) && this.keeper !== '';
    if (self !== undefined && !isTold) this.#tellAddress(false);
    else this.#rest(this.#isSettled ? this.#options.restMs : ASK_SOON_MS);
  }

  #isHere({ ips, port }: Pick<Claim, 'ips' | 'port'>): boolean {
    return this.#options.port === port && this.#options.ips.join() === ips.join();
  }

  /** This very life is known at another place. It may have moved from there; it may as well be alive there, and this be a copy. */
  #claim(known: KnownLife, claim: Claim | null): void {
    const { node, clusterId, home, process, nowMs } = this.#options;
    const place = placeOf(known);
    const isMine = claim !== null && claim.process === process && this.#isHere(claim);
    if (!isMine) {
      this.#claimWait.restart();
      this.#notes.set(
        'address',
        `the keeper knows this node at ${place}: it is taken to have moved once nobody has spoken there for ${this.#claimWait.ms / 1000} s`,
      );
      this.#rest(ASK_SOON_MS);
      this.#tellAddress(false);
    } else if (claim.refused) {
      this.#stop(
        `node ${node} of cluster ${clusterId} runs twice in one life: at ${place}, which has spoken to the keeper since, and here, at ${placeOf(claim)}, with home ${home}. A copy of a home must never run beside its original: if this is the copy, empty its home, and give the node a name of its own (of a cluster of one: a cluster_id of its own); if the node is to move here, stop the one at ${place} first, and take its home as it is then`,
        'SUPERSEDED',
      );
    } else if (this.#claimWait.stands(nowMs())) {
      this.#claimWait.restart();
      this.#tellAddress(true);
    } else this.#rest(ASK_SOON_MS);
  }

  #introduce(): void {
    this.#question({ kind: 'command', command: this.#introduction() }, (standing) => this.#judge(standing));
  }

  #introduction(): AdminCommand {
    const { founding, keeper } = this;
    return introductionOf(this.#options, { founding, keeper }, this.#standing?.members ?? []);
  }

  /** @param insists whoever was at the address that the keeper knows has been silent for long enough */
  #tellAddress(insists: boolean): void {
    const { node, incarnation, logger } = this.#options;
    const command = addressOf(this.#options, this.founding, insists);
    this.#question({ kind: 'command', command }, (standing) => {
      const self = standing.members.find((life) => isSameLife(life, { node, incarnation }));
      if (self !== undefined && this.#isHere(self))
        logger.info({ keeper: standing.keeper.cluster }, 'the keeper knows where this node is reached');
      this.#judge(standing);
    });
  }

  /** Its id is another founding's, or its own is over. */
  #refusedBy({ why, verdict, isNew }: Standing): void {
    const { driver, home, clusterId } = this.#options;
    if (this.founding === '') {
      this.#notes.set(
        'standing',
        `this home, ${home}, is empty, and founds no second cluster ${clusterId}: ${why}`,
      );
      if (!wouldFound(this.#options)) return; // it may be a wiped member, which its peers take in
      this.#leave(
        `nothing is founded: ${why}. Is the home ${home} not mounted? Was the node started in another working directory?`,
      );
    } else if (driver.machine.bound !== null && verdict === 'taken' && isNew) {
      this.#notes.set('standing', untold(why)); // else: dead
    } else if (verdict === 'dead' && driver.machine.bound !== null) {
      this.#over(why);
    } else if (driver.machine.bound !== null || (verdict === 'dead' && !driver.mayRead())) {
      this.#stop(why); // where it is not bound, it has joined an old home that came back
    } else if (driver.mayRead()) {
      // What a follower knows of its own cluster may be old: it waits for its master's word.
      if (livedAlone(driver.machine.owned())) this.#notes.set('standing', inNoNursery(why));
      else this.#refuse(why);
    }
  }

  /** It is not what the map says, or there is none yet. Who owns something goes on, unless it was bound here, and named as lost since. */
  #unfit(standing: Standing): void {
    const { machine } = this.#options.driver;
    const isLost = machine.bound !== null && !standing.isNew;
    if (machine.owned().length === 0 || isLost) this.#refusedBy(standing);
    else {
      const { why } = standing;
      this.#notes.set('standing', machine.bound === null ? inNoNursery(why) : untold(why));
      this.#rest(this.#pauseMs);
    }
  }

  #refuse(why: string): void {
    this.#refused = why;
    this.#nextWordMs = 0; // the others hear it from who stops first
    this.#leave(why);
  }

  /** Stops a little later, so that what was said to the others leaves this process. */
  #leave(why: string): void {
    this.#leaving ??= { why, founding: this.founding, atMs: this.#options.nowMs() + LAST_WORD_MS };
    this.#speak();
  }

  /** Whether it is about to stop; stops once it is time. An empty home that was taken in meanwhile stays. */
  #isLeaving(): boolean {
    if (this.#leaving === null) return false;
    const { why, founding, atMs } = this.#leaving;
    if (founding !== this.founding) {
      this.#leaving = null;
      return false;
    }
    if (this.#options.nowMs() >= atMs) this.#stop(why);
    return true;
  }

  #stop(why: string, exit: 'OTHER_CLUSTER' | 'SUPERSEDED' = 'OTHER_CLUSTER'): void {
    this.#isClosed = true;
    this.#options.stop(exit, new FatalError(exit, why));
  }

  /** The keeper that it is bound to says that this founding is over: its home remembers that. */
  #over(why: string): void {
    this.#isClosed = true;
    this.#options.stop('OTHER_CLUSTER', new OverForEver(this.founding, why, this.#options.home));
  }

  /** The keeper has bound this founding, so the cluster binds itself; the keeper binds itself to itself. */
  #bindWhereDue(): void {
    const { driver, nursery } = this.#options;
    if (driver.machine.bound !== null || this.#isBinding) return;
    let keeper: KeeperRef | null = null;
    if (this.#isKeeper && nursery !== null)
      keeper = { ...nursery, founding: this.founding, nodes: [...nursery.nodes] };
    else if (this.#standing !== null) keeper = this.#standing.keeper;
    if (keeper === null) return;
    const unheard = neverHeard(driver.replica);
    if (unheard.length > 0) {
      this.#notes.set(
        'bind',
        `not bound to the keeper before ${unheard.join(', ')} runs this version and is heard`,
      );
      return;
    }
    this.#notes.clear('bind');
    this.#isBinding = true;
    const command: AdminCommand = { kind: 'bind', keeper, mine: this.founding };
    driver.propose(encodeUpdate({ kind: 'admin', command }), () => {
      this.#isBinding = false;
      this.#nextMs = 0;
    });
  }

  #serve(saidBy: string): void {
    if (this.#serves) return;
    this.#serves = true;
    this.#options.logger.info({ founding: this.founding }, `in force, as ${saidBy} says`);
  }

  #speak(): void {
    const { nowMs, tell } = this.#options;
    if (this.founding === '' || nowMs() < this.#nextWordMs) return;
    this.#nextWordMs = nowMs() + 1000;
    const serves = this.#serves && this.keeper !== '';
    if (serves || this.#refused !== '') tell({ founding: this.founding, serves, refused: this.#refused });
  }
}
