namespace Tacit.Bench.Privacy;

/// <summary>A share with the half width of its 95% interval.</summary>
internal readonly record struct Estimate(double Value, double Margin)
{
    public override string ToString() => FormattableString.Invariant($"{Value * 100:0.00} ± {Margin * 100:0.00}%");
}

/// <summary>How well the adversary did.</summary>
/// <param name="Linker">The one that did best among the people it was chosen by.</param>
/// <param name="Advantage">Of it among the others.</param>
/// <param name="Books">Of who has the issuer's books alone, without a purchase's time.</param>
/// <param name="Added">What the wallet's purchases add: the one less the other, person by person.</param>
internal readonly record struct Verdict(string Linker, Estimate Advantage, Estimate Books, Estimate Added);

/// <summary>
/// The games that the adversary plays. One in five people, with all their truth, is there to learn from and to choose the linker by; it is judged on the others,
/// who are each other's crowd.
/// </summary>
internal sealed class Games
{
    /// <summary>One in so many people is learned from.</summary>
    public const int LearnedFrom = 5;

    private const int Tries = 60;

    /// <summary>How many others to learn a sighting beside.</summary>
    private const int Decoys = 3;

    private readonly Dossier[] _learning;
    private readonly Dossier[] _judged;
    private readonly ulong _seed;

    public Games(IReadOnlyList<Account> accounts, ulong seed)
    {
        _learning = [.. accounts.Where(account => account.Id % LearnedFrom == 0).Select(account => new Dossier(account))];
        _judged = [.. accounts.Where(account => account.Id % LearnedFrom != 0).Select(account => new Dossier(account))];
        _seed = seed;
    }

    /// <summary>
    /// Two accounts held a token of the key, one of them used it: which? The advantage is 2·(p − ½) = Pr[says 0 | was 0] − Pr[says 0 | was 1], the
    /// distinguishing advantage; every person counts the same, whoever talks much or little.
    /// </summary>
    /// <param name="alike">Whether the two are alike in what the issuer's books tell without a time: where they are, and how much they buy.</param>
    public Verdict TwoCandidates(bool alike)
    {
        List<Pair> learning = Pairs(_learning, alike, 1, Decoys);
        List<Pair> judged = Pairs(_judged, alike, 2, 1);
        // Most to learn the weights from, the rest to choose among the matchers and the simple rules by.
        int most = learning.FindIndex(pair => pair.Truth.Account.Id > learning[^1].Truth.Account.Id * 0.7);
        LearnedLinker books = LearnedLinker.Learn(learning[..most], _seed, Subject.Books);
        IReadOnlyList<Linker> linkers =
        [
            .. Linker.Simple,
            .. Enum.GetValues<Subject>().Where(subject => alike && subject is Subject.Waits or Subject.Amounts or Subject.Rhythm).Select(subject => LearnedLinker.Learn(learning[..most], _seed, subject)),
            LearnedLinker.Learn(learning[..most], _seed),
        ];
        Linker best = linkers.MaxBy(linker => Mean(ByPerson(linker, learning[most..])).Value)!;
        List<(double Won, int Asked)> all = ByPerson(best, judged);
        List<(double Won, int Asked)> known = ByPerson(books, judged);
        return new Verdict(best.Name, Mean(all), Mean(known), Mean([.. all.Zip(known, (one, other) => (one.Won - other.Won, one.Asked))]));
    }

    /// <summary>
    /// The whole crowd, everybody who held a token of the key and used one: whose is it? The advantage is the chance of naming the right one less that of a
    /// guess, evenly over the crowd.
    /// </summary>
    /// <param name="questions">How many sightings to ask about.</param>
    /// <returns>The verdict, and the mean size of the crowd.</returns>
    public (Verdict Verdict, double Crowd) NameOne(int questions)
    {
        List<Pair> pairs = Pairs(_learning, alike: false, 1, Decoys);
        LearnedLinker books = LearnedLinker.Learn(pairs, _seed, Subject.Books);
        Linker[] linkers = [.. Linker.Simple.Take(3), LearnedLinker.Learn(pairs, _seed, Subject.Waits), LearnedLinker.Learn(pairs, _seed)];
        double[][] chosen = Named(_learning, linkers, questions / 3, 3, out _, out _);
        Linker best = linkers[Enumerable.Range(0, linkers.Length).MaxBy(i => chosen[i].Sum())];
        double[][] right = Named(_judged, [best, books], questions, 4, out double guess, out double crowd);
        return (new Verdict(best.Name, Chance([.. right[0].Select(r => r - guess)]), Chance([.. right[1].Select(r => r - guess)]), Chance([.. right[0].Zip(right[1], (all, known) => all - known)])), crowd);

        // With none right in n, three in n may be.
        static Estimate Chance(double[] values) => Mean([.. values.Select(value => (value, 1))]) is var mean
            ? mean with { Margin = Math.Max(mean.Margin, 3.0 / values.Length) }
            : default;
    }

    private double[][] Named(Dossier[] people, Linker[] linkers, int questions, ulong stream, out double guess, out double crowd)
    {
        var draws = new Draws(_seed, stream);
        double[][] right = [.. linkers.Select(_ => new double[questions])];
        double[] best = new double[linkers.Length];
        int[] ties = new int[linkers.Length];
        double[] truths = new double[linkers.Length];
        (Dossier, Sighting)[] sightings = [.. people.SelectMany(person => person.Account.Sample.Select(seen => (person, seen)))];
        (guess, crowd) = (0, 0);
        for (int question = 0; question < questions; question++)
        {
            (Dossier truth, Sighting seen) = sightings[draws.Below(sightings.Length)];
            int size = 1;
            for (int i = 0; i < linkers.Length; i++)
            {
                (truths[i], best[i], ties[i]) = (linkers[i].Score(seen, truth), double.NegativeInfinity, 0);
            }
            foreach (Dossier other in people)
            {
                if (other == truth || !other.Account.IsInCrowd(seen.At, seen.Plan, seen.Key))
                {
                    continue;
                }
                size++;
                for (int i = 0; i < linkers.Length; i++)
                {
                    double score = linkers[i].Score(seen, other);
                    ties[i] += score == truths[i] ? 1 : 0;
                    best[i] = Math.Max(best[i], score);
                }
            }
            for (int i = 0; i < linkers.Length; i++)
            {
                right[i][question] = best[i] > truths[i] ? 0 : 1.0 / (1 + ties[i]);
            }
            guess += 1.0 / size;
            crowd += size;
        }
        guess /= questions;
        crowd /= questions;
        return right;
    }

    /// <summary>
    /// For each round, that is key, everybody who used it once, beside another of the same crowd: as if two were drawn from the crowd, and one of them by a coin.
    /// </summary>
    private List<Pair> Pairs(Dossier[] people, bool alike, ulong stream, int decoys)
    {
        var draws = new Draws(_seed, stream);
        List<Pair> pairs = [];
        var rounds = people.SelectMany(person => person.Account.Sample.Select(seen => (Person: person, Seen: seen)))
            .GroupBy(entry => (entry.Seen.Plan, entry.Seen.Key, Books: alike ? Books(entry.Person) : default));
        foreach (var round in rounds)
        {
            (Dossier Person, Sighting Seen)[] crowd = [.. round];
            foreach ((Dossier truth, Sighting seen) in crowd)
            {
                for (int tries = 0, found = 0; tries < Tries && found < decoys; tries++)
                {
                    Dossier other = crowd[draws.Below(crowd.Length)].Person;
                    if (other != truth && other.Account.IsInCrowd(seen.At, seen.Plan, seen.Key))
                    {
                        pairs.Add(new Pair(seen, truth, other));
                        found++;
                    }
                }
            }
        }
        pairs.Sort((one, two) => one.Truth.Account.Id.CompareTo(two.Truth.Account.Id));
        return pairs;
    }

    private static (int, int) Books(Dossier account) => (account.Account.Zone, account.VolumeClass);

    /// <summary>
    /// For each person what was won and lost over their sightings, and how many there were: these hang together, so it is people whose spread is counted.
    /// </summary>
    private static List<(double Won, int Asked)> ByPerson(Linker linker, List<Pair> pairs)
    {
        List<(double, int)> people = [];
        for (int i = 0; i < pairs.Count;)
        {
            Dossier person = pairs[i].Truth;
            double won = 0;
            int asked = 0;
            for (; i < pairs.Count && pairs[i].Truth == person; i++, asked++)
            {
                won += linker.Score(pairs[i].Seen, person).CompareTo(linker.Score(pairs[i].Seen, pairs[i].Other));
            }
            people.Add((won, asked));
        }
        return people;
    }

    private static Estimate Mean(List<(double Won, int Asked)> people)
    {
        double asked = people.Sum(person => person.Asked);
        double mean = people.Sum(person => person.Won) / asked;
        double spread = people.Sum(person => Math.Pow(person.Won - (mean * person.Asked), 2));
        return new Estimate(mean, 1.96 * Math.Sqrt(spread) / asked);
    }
}
