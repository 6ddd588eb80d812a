//! The recipe of a compiler → the archives it comes in.

use orlop_recipes::{CompilerRecipe, CompilerSource};
use orlop_store::derivation::{Origin, Source};

/// Returns the archives of a compiler, each with the folder in it that counts.
pub fn compiler_archives(recipe: &CompilerRecipe) -> Vec<(Source, Option<String>)> {
    let archive = |part: &CompilerSource| {
        // People know a component by its folder.
        let folder = part.folder.as_deref().unwrap_or_default();
        let component = folder.rsplit('/').next().unwrap_or_default().parse();
        let source = Source {
            name: component
                .unwrap_or_else(|_| recipe.name.clone())
                .to_string(),
            version: recipe.version.clone(),
            checksum: part.sha256.clone(),
            origin: Origin::of_archive(&part.url, &part.mirrors),
        };
        (source, part.folder.clone())
    };
    recipe.source.iter().map(archive).collect()
}
