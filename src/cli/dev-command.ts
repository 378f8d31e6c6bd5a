export async function runDevCommand(args: {
  dir: string | undefined;
  tour: boolean;
  once: boolean;
  input: string | undefined;
}): Promise<void> {
  const { LocalNursery } = await import('./dev/local-nursery.ts');
  const nursery = await LocalNursery.start(args.dir);
  console.log(nursery.dir, nursery.config);
  for (const m of nursery.members) console.log(m.name, m.child.pid);
  const first = nursery.clusters[0] as string;
  console.log(await nursery.run(['init', '--config', nursery.config, first]));
  await new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await nursery.stop();
}
